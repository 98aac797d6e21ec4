/* Answers as bars: the shape that the photo, the camera and the history share. */
import { h, fill } from './dom.js';
import { percent, t } from './text.js';

function bar({ label, score }, index, dim) {
  const inner = h('span', { class: 'bar-fill' });
  inner.style.width = `${Math.max(0.5, 100 * score).toFixed(2)}%`;
  return h('li', { class: `answer${index === 0 && !dim ? ' best' : ''}${dim ? ' dim' : ''}` },
    h('span', { class: 'answer-label' }, label),
    h('span', { class: 'answer-score' }, percent(score)),
    h('span', { class: 'bar', 'aria-hidden': 'true' }, inner));
}

/* What the groups that labels belong to have together. */
const groupBars = (groups, none) => h('div', { class: 'groups' },
  h('h3', {}, t('by_group')),
  h('ol', { class: 'answers' }, groups.map(({ group, score }, index) => bar({ label: group, score }, index, none))));

/* result: { none, answers: [{ label, score }], groups: [{ group, score }] } */
export function bars(result, most = 5) {
  return [
    result.none && h('p', { class: 'none' }, h('strong', {}, t('none_of_these')), ' ', t('none_hint')),
    h('ol', { class: 'answers' },
      result.answers.slice(0, most).map((answer, index) => bar(answer, index, result.none))),
    result.groups?.length > 0 && groupBars(result.groups.slice(0, most), result.none),
  ];
}

/* Bars that change many times a second: rows are kept, only what differs is written. */
export function liveBars(list, result, most = 3) {
  const rows = result.answers.slice(0, most);
  if (list.children.length !== rows.length) {
    fill(list, rows.map((answer, index) => bar(answer, index, false)));
  }
  rows.forEach((answer, index) => {
    const row = list.children[index];
    row.classList.toggle('dim', Boolean(result.none));
    row.classList.toggle('best', index === 0 && !result.none);
    row.children[0].textContent = answer.label;
    row.children[1].textContent = percent(answer.score);
    row.children[2].firstChild.style.width = `${Math.max(0.5, 100 * answer.score).toFixed(2)}%`;
  });
}

export function spokenAnswer(title, result) {
  if (result.none) return t('spoken_none', { head: title });
  const best = result.answers[0];
  return best ? t('spoken_answer', { head: title, label: best.label, score: percent(best.score) }) : '';
}
