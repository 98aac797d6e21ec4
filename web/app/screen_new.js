/* Make your own from words: paste anything, try it on a photo at once. */
import { button, fill, h, icon, toast } from './dom.js';
import { whatsit } from './engine.js';
import * as heads from './heads.js';
import { photos } from './photos.js';
import { headError } from './screen_photo.js';
import { t } from './text.js';
import { others, said, verdict } from './words.js';
import { parseTyped } from '../lib/labels.js';
import { firstName } from '../lib/list.js';

const SENTENCE = 'a photo of a {}.';
const MOST_TRIED = 400; /* labels that are tried while somebody types */
const SHOWN = 40;
/* To begin with; in English, which every model reads best. */
const IDEAS = [['glass', 'paper', 'plastic', 'metal', 'organic waste'], ['ripe fruit', 'unripe fruit', 'rotten fruit'], ['tidy room', 'messy room'], ['photo', 'drawing', 'screenshot', 'document']];

/* What is wrong with the form, per field; empty when nothing is. */
function check({ name, labels, templates }) {
  return {
    name: heads.nameFault(name) && t(heads.nameFault(name)),
    labels: labels.length < 2 ? t('labels_missing') : '',
    templates: templates.some((one) => one.split('{}').length !== 2) ? t('sentence_bad') : '',
  };
}

/* A name for a list that was given none: its first labels. */
function ownName(labels) {
  const words = labels.slice(0, 2).map((one) => firstName(one).replace(/[/\\,?#%"~]/g, ' ').trim());
  const base = words.join(' + ').slice(0, 50).replace(/^[~.\-\s]+/, '') || 'list';
  let name = base;
  for (let i = 2; !heads.nameIsFree(name); i++) name = `${base} ${i}`;
  return name;
}

export function newScreen(main) {
  let stopper = null, alive = true;
  const name = h('input', { id: 'new-name', class: 'field', maxlength: 60, autocomplete: 'off', 'aria-describedby': 'wrong-name' });
  const labels = h('textarea', { id: 'new-labels', class: 'field', rows: 5, required: true, autocapitalize: 'off', placeholder: t('labels_example'), 'aria-describedby': 'hint-labels wrong-labels' });
  const templates = h('textarea', { id: 'new-sentence', class: 'field', rows: 2, autocapitalize: 'off', 'aria-describedby': 'hint-sentence wrong-templates' }, SENTENCE);
  const multi = h('input', { type: 'checkbox', class: 'switch', id: 'new-multi' });
  const none = h('input', { type: 'checkbox', class: 'switch', id: 'new-none' });
  const count = h('p', { class: 'hint', id: 'hint-labels' });
  const chips = h('ul', { class: 'labels', 'aria-label': t('read_as') });
  const sample = h('p', { class: 'hint', id: 'hint-sentence' });
  const ideas = h('div', { class: 'ideas' }, h('p', { class: 'hint' }, t('new_ideas')), h('div', { class: 'chips' }, IDEAS.map((list) => button(list.join(', '), () => {
    labels.value = list.join('\n');
    labels.dispatchEvent(new Event('input'));
    labels.focus();
  }, { kind: 'chip small', lang: 'en' }))));
  const status = h('div', { role: 'status' });
  const tried = h('div', { class: 'tried' });
  const wrongs = Object.fromEntries(['name', 'labels', 'templates'].map((key) => [key, h('p', { class: 'bad', id: `wrong-${key}` })]));
  const fields = { name, labels, templates };

  const read = () => ({
    name: name.value.trim(),
    ...parseTyped(labels.value),
    templates: templates.value.split('\n').map((line) => line.trim()).filter(Boolean),
    multi: multi.checked,
  });

  const preview = () => {
    const recipe = read();
    const n = recipe.labels.length;
    count.textContent = n ? [t('labels', { n }), recipe.doubles > 0 && t('doubles', { n: recipe.doubles })].filter(Boolean).join(' ') : t('labels_hint');
    fill(chips, recipe.labels.slice(0, SHOWN).map((one) => h('li', {}, one.split('|').join(', '))), n > SHOWN && h('li', { class: 'hint' }, t('more_labels', { n: n - SHOWN })));
    const label = firstName(recipe.labels[0] ?? t('sample_label'));
    sample.textContent = t('sentence_hint', { sentence: (recipe.templates[0] ?? SENTENCE).replace('{}', label) });
    ideas.hidden = labels.value.trim() !== '';
    if (!name.value && n > 1) name.placeholder = ownName(recipe.labels);
    tryLater();
  };

  /* The words are tried on the photo at hand, as soon as the typing rests. */
  let timer, trial = 0;
  const tryLater = () => {
    clearTimeout(timer);
    timer = setTimeout(tryNow, 400);
  };
  const tryNow = async () => {
    const photo = photos.current ?? photos.list[0];
    const recipe = read();
    const mine = ++trial;
    if (stopper || !photo?.embedding || recipe.labels.length < 2 || recipe.labels.length > MOST_TRIED || check({ ...recipe, name: 'draft' }).templates) return fill(tried);
    try {
      const head = await heads.draft({ ...recipe, name: 'draft', templates: recipe.templates.length ? recipe.templates : [SENTENCE] });
      const engine = await whatsit();
      const [result] = await engine.answer(photo.embedding, { heads: head });
      await head.close();
      if (mine !== trial || !alive) return undefined;
      const found = verdict(result, { blank: photo.blank });
      return fill(tried, h('p', { class: 'hint' }, t('tried_on')),
        h('div', { class: 'tried-row' }, photo.thumbUrl && h('img', { class: 'thumb-img', src: photo.thumbUrl, alt: '' }), h('div', {}, said(found), others(result, found))));
    } catch {
      return fill(tried); /* making it says what is wrong */
    }
  };

  const show = (wrong) => {
    for (const [key, note] of Object.entries(wrongs)) {
      note.textContent = wrong[key] ?? '';
      fields[key].setAttribute('aria-invalid', String(Boolean(wrong[key])));
    }
    const first = Object.keys(wrongs).find((key) => wrong[key]);
    if (first) {
      if (first === 'templates') fold.open = true;
      fields[first].focus();
    }
    return !first;
  };

  const make = async () => {
    const recipe = read();
    if (recipe.templates.length === 0) recipe.templates = [SENTENCE];
    if (!recipe.name && recipe.labels.length > 1) recipe.name = ownName(recipe.labels);
    if (!show(check(recipe))) return;
    const mine = (stopper = new AbortController());
    const cancel = () => {
      mine.abort();
      over(h('p', {}, t('stopped')));
    };
    const over = (text) => {
      if (stopper !== mine) return;
      stopper = null;
      go.disabled = false;
      fill(status, text);
    };
    const bar = h('progress', { 'aria-label': t('making_head') });
    const note = h('span', { class: 'hint' });
    go.disabled = true;
    fill(tried);
    fill(status, h('p', {}, t('making_head'), ' ', note), bar, button(t('cancel'), cancel));
    try {
      if (none.checked) recipe.distractors = await heads.otherThings(recipe.labels.length);
      await heads.make(recipe, {
        signal: mine.signal,
        onprogress: ({ done, total }) => {
          bar.max = total;
          bar.value = done;
          note.textContent = t('prompts_done', { done, total });
        },
      });
      await heads.choose(recipe.name, true);
      toast(t(heads.heads.isNotKept ? 'head_made_not_kept' : 'head_made', { head: recipe.name }));
      over();
      if (alive) location.hash = photos.current ? '#/photo' : `#/head/${encodeURIComponent(recipe.name)}`;
    } catch (error) {
      if (error.code === 'cancelled' || mine.signal.aborted) over(h('p', {}, t('stopped')));
      else over(h('p', { class: 'bad', role: 'alert' }, headError(error)));
    }
  };

  const go = h('button', { type: 'submit', class: 'button main' }, icon('plus'), t('make_head'));
  for (const [key, field] of Object.entries(fields)) {
    field.addEventListener('input', () => {
      wrongs[key].textContent = '';
      field.removeAttribute('aria-invalid');
    });
  }
  for (const field of [labels, templates, multi]) field.addEventListener('input', preview);
  const fold = h('details', { class: 'fold' }, h('summary', {}, t('settings')),
    h('label', { for: 'new-sentence' }, t('sentence')), templates, sample, wrongs.templates,
    h('label', { class: 'use', for: 'new-multi' }, multi, t('multi')),
    h('label', { class: 'use', for: 'new-none' }, none, t('can_say_none')));
  fill(main,
    h('p', { class: 'back' }, h('a', { href: '#/heads' }, icon('back'), t('look_for'))),
    h('h1', {}, t('new_head')),
    h('p', { class: 'lead' }, t('new_lead')),
    h('form', { class: 'form', novalidate: true, onsubmit: (event) => {
      event.preventDefault();
      make();
    } },
      h('label', { for: 'new-labels' }, t('new_labels')), labels, count, wrongs.labels, ideas, chips, tried,
      h('label', { for: 'new-name' }, t('name')), name, wrongs.name,
      fold,
      h('div', { class: 'row' }, go, h('a', { class: 'button', href: '#/teach' }, icon('teach'), t('teach_instead'))), status));
  preview();
  return () => {
    alive = false;
    clearTimeout(timer);
    stopper?.abort();
  };
}
