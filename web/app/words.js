/* How an answer is put into words. A number is not an answer: what is sure is said plainly, what is likely is called likely,
 * and what cannot be told is not told. The core decides how sure an answer is, as it does for the command line. */
import { h } from './dom.js';
import { languageNow, percent, t } from './text.js';

const SHOWN_FROM = 0.01; /* nothing below one in a hundred */

/* English names that take no article: stuff, plurals, what is described and not counted. */
const STUFF = /(^|\s)(bread|water|sand|snow|ice|grass|coffee|tea|beer|wine|milk|juice|rice|pasta|food|fruit|furniture|clothing|people|cattle|fish|hair|fabric|wood|metal|glass|paper|leather|smoke|fire|rain|fog|lightning|jewelry|jewellery|money|sushi|cheese|chocolate|butter|honey|meat|seafood|sky|sea|cream|scissors|trousers|sunglasses|jeans|shorts|glasses|binoculars|tongs|pliers|pyjamas|pajamas|toast|soup|salad|corn|broccoli|spinach|lettuce|garlic|ginger)$/i;
const isPlural = (label) => /[^su]s$/i.test(label) && !/(us|is|ss|lens|iris|cactus|albatross|grass|bus|canvas|atlas)$/i.test(label);

/* "an ambulance", where the question asks for a thing that is counted. */
export function withArticle(label, counted) {
  if (!counted || languageNow() !== 'en' || /^(a|an|the)\s/i.test(label) || STUFF.test(label) || isPlural(label)) return label;
  const vowel = /^(?:[aeiou](?!ni(?:c|v|f)|se|ro)|u(?:m|n(?!i))|hour|heir|honest)/i.test(label);
  return `${vowel ? 'an' : 'a'} ${label}`;
}

const nothing = (why) => ({ sure: 'none', text: t('cant_tell'), label: null, why });

/* { sure: 'sure' | 'likely' | 'maybe' | 'none', text, label, why } of what a head says; blank: the picture shows nothing. label is
 * null where nothing is said, and isGroup tells that it is a broad word. */
export function verdict({ verdict: said }, { blank = '', counted = false } = {}) {
  if (blank) return nothing(t(`blank_${blank}`));
  if (said.certainty === 'none') return nothing(t('none_of_these'));
  const name = withArticle(said.name, counted), about = { label: said.name, isGroup: said.label < 0, why: '' };
  switch (said.certainty) {
    case 'certain': return { sure: 'sure', text: said.name, ...about };
    case 'probably': return { sure: 'likely', text: t('probably', { label: name }), ...about };
    case 'perhaps': return { sure: 'maybe', text: t('maybe', { label: name }), ...about };
    default: return nothing(t('unsure_why'));
  }
}

/* As the core decides it, for scores that were smoothed over time. */
export const certaintyOf = (score) => (score >= 0.9 ? 'certain' : score >= 0.5 ? 'probably' : score >= 0.2 ? 'perhaps' : 'cannot-tell');

/* The verdict as a list of one, with the label set apart from the words around it. */
export function said({ sure, text, label }) {
  const at = label ? text.indexOf(label) : -1;
  const rest = (part) => part && h('span', { class: 'answer-word' }, part);
  return h('ol', { class: `answers said ${sure}` }, h('li', { class: 'answer best' },
    at < 0 ? h('span', { class: 'answer-label' }, text)
      : [rest(text.slice(0, at)), h('span', { class: 'answer-label' }, label), rest(text.slice(at + label.length))]));
}

const line = ({ label, score }) => h('li', { class: 'answer' },
  h('span', { class: 'answer-label' }, label), h('span', { class: 'answer-score' }, percent(score)));

/* What else it might be, folded. */
export function others(result, { sure }, most = 5) {
  const rows = result.answers.slice(0, most).filter(({ score }) => score >= SHOWN_FROM);
  const groups = (result.groups ?? []).slice(0, 3).filter(({ score }) => score >= SHOWN_FROM);
  if (rows.length < 2 && sure === 'sure' && groups.length === 0) return null;
  if (rows.length === 0) return null;
  return h('details', { class: 'others' }, h('summary', {}, t(sure === 'none' ? 'nearest' : 'also_possible')),
    h('ol', { class: 'answers' }, rows.map(line)),
    groups.length > 0 && h('div', { class: 'groups' }, h('p', { class: 'groups-head' }, t('by_group')),
      h('ol', { class: 'answers' }, groups.map(({ group, score }) => line({ label: group, score })))));
}

export const spoken = (question, { text, why }) => `${question} ${text}. ${why}`.trim();

/* An answer to hand on, as a line of text. */
export const textOf = (question, { text, why }) => [question, why && text === t('cant_tell') ? `${text}. ${why}` : text].join(' ');
