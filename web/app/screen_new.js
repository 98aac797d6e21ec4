/* A new head: labels and a sentence. */
import { button, fill, h, icon, toast } from './dom.js';
import * as heads from './heads.js';
import { photos } from './photos.js';
import { headError } from './screen_photo.js';
import { t } from './text.js';
import { firstName, parseTyped } from '../lib/labels.js';

const SENTENCE = 'a photo of a {}.';

/* What is wrong with the form, per field; empty when nothing is. */
function check({ name, labels, templates }) {
  const wrong = {};
  if (!name) wrong.name = t('name_missing');
  else if (!/^[^/\\,?#%"~.\-][^/\\,?#%"]*$/.test(name) || name.length > 60) wrong.name = t('name_bad');
  else if (!heads.nameIsFree(name)) wrong.name = t('name_taken');
  if (labels.length < 2) wrong.labels = t('labels_missing');
  if (templates.some((one) => one.split('{}').length !== 2)) wrong.templates = t('sentence_bad');
  return wrong;
}

export function newScreen(main) {
  let stopper = null;
  const name = h('input', { id: 'new-name', class: 'field', maxlength: 60, autocomplete: 'off', required: true, 'aria-describedby': 'wrong-name' });
  const labels = h('textarea', { id: 'new-labels', class: 'field', rows: 6, required: true, autocapitalize: 'off', 'aria-describedby': 'hint-labels wrong-labels' });
  const templates = h('textarea', { id: 'new-sentence', class: 'field', rows: 2, autocapitalize: 'off', 'aria-describedby': 'hint-sentence wrong-templates' }, SENTENCE);
  const multi = h('input', { type: 'checkbox', class: 'switch', id: 'new-multi' });
  const none = h('input', { type: 'checkbox', class: 'switch', id: 'new-none' });
  const count = h('p', { class: 'hint', id: 'hint-labels' });
  const sample = h('p', { class: 'hint', id: 'hint-sentence' });
  const status = h('div', { role: 'status' });
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
    count.textContent = recipe.labels.length ? t('labels', { n: recipe.labels.length }) : t('labels_hint');
    const label = firstName(recipe.labels[0] ?? t('sample_label'));
    sample.textContent = t('sentence_hint', { sentence: (recipe.templates[0] ?? SENTENCE).replace('{}', label) });
  };

  const show = (wrong) => {
    for (const [key, note] of Object.entries(wrongs)) {
      note.textContent = wrong[key] ?? '';
      fields[key].setAttribute('aria-invalid', String(Boolean(wrong[key])));
    }
    const first = Object.keys(wrongs).find((key) => wrong[key]);
    if (first) fields[first].focus();
    return !first;
  };

  const make = async () => {
    const recipe = read();
    if (recipe.templates.length === 0) recipe.templates = [SENTENCE];
    if (!show(check(recipe))) return;
    stopper = new AbortController();
    if (none.checked) recipe.distractors = await heads.otherThings(recipe.labels.length);
    const bar = h('progress', { 'aria-label': t('making_head') });
    const note = h('span', { class: 'hint' });
    go.disabled = true;
    fill(status, h('p', {}, t('making_head'), ' ', note), bar, button(t('cancel'), () => stopper.abort()));
    try {
      await heads.make(recipe, {
        signal: stopper.signal,
        onprogress: ({ done, total }) => {
          bar.max = total;
          bar.value = done;
          note.textContent = t('prompts_done', { done, total });
        },
      });
      await heads.choose(recipe.name, true);
      toast(t('head_made', { head: recipe.name }));
      location.hash = photos.current ? '#/photo' : `#/head/${encodeURIComponent(recipe.name)}`;
    } catch (error) {
      fill(status, error.code === 'cancelled' || error.name === 'AbortError'
        ? h('p', {}, t('stopped')) : h('p', { class: 'bad', role: 'alert' }, headError(error)));
    }
    go.disabled = false;
  };

  const go = h('button', { type: 'submit', class: 'button main' }, icon('plus'), t('make_head'));
  for (const [key, field] of Object.entries(fields)) {
    field.addEventListener('input', () => {
      wrongs[key].textContent = '';
      field.removeAttribute('aria-invalid');
    });
  }
  labels.addEventListener('input', preview);
  templates.addEventListener('input', preview);
  fill(main,
    h('p', { class: 'back' }, h('a', { href: '#/heads' }, icon('back'), t('heads'))),
    h('h1', {}, t('new_head')),
    h('form', { class: 'form', novalidate: true, onsubmit: (event) => {
      event.preventDefault();
      make();
    } },
      h('label', { for: 'new-name' }, t('name')), name, wrongs.name,
      h('label', { for: 'new-labels' }, t('new_labels')), labels, count, wrongs.labels,
      h('label', { for: 'new-sentence' }, t('sentence')), templates, sample, wrongs.templates,
      h('label', { class: 'use', for: 'new-multi' }, multi, t('multi')),
      h('label', { class: 'use', for: 'new-none' }, none, t('can_say_none')),
      h('div', { class: 'row' }, go), status));
  preview();
  return () => stopper?.abort();
}
