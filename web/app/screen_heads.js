/* Choosing heads, and the page of one head. */
import { ask, button, download, fileButton, fill, h, icon, toast } from './dom.js';
import * as heads from './heads.js';
import { headError } from './screen_photo.js';
import { t } from './text.js';
import { firstName } from '../lib/labels.js';

const href = (name) => `#/head/${encodeURIComponent(name)}`;

function useSwitch(name, title) {
  const box = h('input', { type: 'checkbox', name: 'use', class: 'switch', checked: heads.heads.chosen.includes(name),
    'aria-label': t('use_head', { head: title }),
    onchange: async () => {
      if (!box.checked && heads.heads.chosen.length === 1) {
        box.checked = true;
        toast(t('one_head_at_least'));
        return;
      }
      await heads.choose(name, box.checked);
    } });
  return box;
}

const row = (head) =>
  h('li', { class: 'head-row' },
    useSwitch(head.name, head.title),
    h('a', { href: href(head.name) },
      h('span', {}, h('span', { class: 'head-title' }, head.title),
        head.n_labels > 0 && h('span', { class: 'hint' }, t('labels', { n: head.n_labels })))));

const GROUPS = ['own', 'everyday', 'nature', 'food', 'things', 'places', 'activities', 'art', 'people'];

function groups(filter) {
  const wanted = filter.trim().toLowerCase();
  const byGroup = new Map();
  for (const head of heads.list()) {
    if (wanted && !`${head.title} ${head.name}`.toLowerCase().includes(wanted)) continue;
    const group = head.group || 'other';
    byGroup.set(group, [...(byGroup.get(group) ?? []), head]);
  }
  const order = (group) => (GROUPS.includes(group) ? GROUPS.indexOf(group) : GROUPS.length);
  const names = [...byGroup.keys()].sort((a, b) => order(a) - order(b));
  if (names.length === 0) return h('p', { class: 'hint' }, t('no_head_found'));
  return names.map((group) =>
    h('section', {}, h('h2', {}, groupName(group)), h('ul', { class: 'head-list' }, byGroup.get(group).map(row))));
}

function groupName(group) {
  const text = t(`group_${group}`);
  return text.startsWith('group_') ? group[0].toUpperCase() + group.slice(1) : text;
}

async function importFiles(files) {
  try {
    const record = await heads.importFile(new Uint8Array(await files[0].arrayBuffer()));
    toast(t('imported', { head: record.name }));
    location.hash = href(record.name);
  } catch (error) {
    toast(error.code === 'mismatch' ? t('wrong_model', { why: error.message }) : t('not_a_head', { why: error.message }), { bad: true });
  }
}

export function headsScreen(main) {
  const body = h('div', {});
  const field = h('input', { type: 'search', name: 'find', class: 'field', 'aria-label': t('find_head'), placeholder: t('find_head'),
    oninput: () => fill(body, groups(field.value)) });
  fill(main,
    h('h1', {}, t('heads')),
    h('p', { class: 'hint' }, t('heads_hint')),
    h('div', { class: 'row' },
      h('a', { class: 'button main', href: '#/new' }, icon('plus'), t('new_head')),
      fileButton(t('import'), importFiles, { name: 'import', accept: '.safetensors' })),
    field, body);
  fill(body, groups(''));
  const names = () => heads.list().map((head) => head.name).join();
  let shown = names();
  const draw = () => {
    if (names() === shown) return;
    shown = names();
    fill(body, groups(field.value));
  };
  heads.heads.addEventListener('change', draw);
  return () => heads.heads.removeEventListener('change', draw);
}

/* ---- one head ---- */

const fact = (term, ...values) => values.some(Boolean) && [h('dt', {}, term), h('dd', {}, values)];

async function exportHead(name) {
  try {
    const head = await heads.open(name);
    download(await head.toFile(), `${name}.safetensors`);
    toast(t('exported', { file: `${name}.safetensors` }));
  } catch (error) {
    toast(headError(error), { bad: true });
  }
}

async function removeHead(name) {
  if (!(await ask(t('remove_head'), t('remove_head_text', { head: name }), t('remove')))) return;
  await heads.removeOwn(name);
  toast(t('removed', { head: name }));
  location.hash = '#/heads';
}

function examplesSection(name, examples, redraw) {
  if (examples.length === 0) return null;
  return h('section', {}, h('h2', {}, t('examples', { n: examples.length })),
    h('p', { class: 'hint' }, t('examples_hint')),
    h('ul', { class: 'examples' }, examples.map((example) => {
      const image = h('img', { alt: '', class: 'thumb-img' });
      image.src = URL.createObjectURL(example.thumb);
      image.onload = () => URL.revokeObjectURL(image.src);
      return h('li', {}, image, h('span', {}, firstName(example.label)),
        button(t('forget'), async () => {
          await heads.forgetExample(name, example.id);
          redraw();
        }, { kind: 'small', 'aria-label': t('forget_example', { label: firstName(example.label) }) }));
    })));
}

function labelsSection(labels) {
  const list = h('ul', { class: 'labels' });
  const shown = (text) => {
    const found = labels.filter((names) => names.toLowerCase().includes(text));
    fill(list, found.slice(0, 300).map((names) => h('li', {}, names.split('|').join(', '))),
      found.length > 300 && h('li', { class: 'hint' }, t('more_labels', { n: found.length - 300 })));
  };
  const field = h('input', { type: 'search', name: 'find', class: 'field', 'aria-label': t('find_label'), placeholder: t('find_label'),
    oninput: () => shown(field.value.trim().toLowerCase()) });
  shown('');
  return h('section', {}, h('h2', {}, t('labels', { n: labels.length })), labels.length > 30 && field, list);
}

export function headScreen(main, name) {
  let alive = true;
  const draw = async () => {
    const known = heads.find(name);
    if (!known) {
      fill(main, h('h1', {}, t('no_such_head')), h('p', {}, h('a', { href: '#/heads' }, t('heads'))));
      return;
    }
    let about, examples;
    try {
      [about, examples] = await Promise.all([heads.describe(name), heads.taught(name)]);
    } catch (error) {
      if (alive) fill(main, h('h1', {}, known.title), h('p', { class: 'bad', role: 'alert' }, t('not_offline')));
      return;
    }
    if (!alive) return;
    const templates = about.templates.length ? about.templates : ['a photo of a {}.'];
    fill(main,
      h('p', { class: 'back' }, h('a', { href: '#/heads' }, icon('back'), t('heads'))),
      h('h1', {}, about.title || name),
      about.sensitivity && h('p', { class: 'note' }, icon('note'), h('span', {}, about.sensitivity)),
      h('label', { class: 'use' }, useSwitch(name, about.title || name), t('use_this')),
      h('dl', { class: 'facts' },
        fact(t('sentences'), templates.length > 3
          ? h('details', {}, h('summary', {}, templates[0], ' ', t('and_more', { n: templates.length - 1 })),
              h('ul', {}, templates.slice(1).map((one) => h('li', {}, one))))
          : h('ul', {}, templates.map((one) => h('li', {}, one)))),
        fact(t('kind'), about.multi ? t('kind_multi') : t('kind_single')),
        fact(t('source'), about.own && !about.source ? t('source_own') : about.source),
        fact(t('licence'), about.licence)),
      h('div', { class: 'row' },
        button(t('export'), () => exportHead(name), { name: 'export' }),
        about.own && button(t('remove'), () => removeHead(name), { kind: 'danger', name: 'bin' })),
      examplesSection(name, examples, draw),
      labelsSection(about.labels));
  };
  draw();
  return () => (alive = false);
}

