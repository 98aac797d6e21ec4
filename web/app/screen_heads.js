/* "What should I look for?": the questions, and the page of one list of labels. */
import { ask, button, download, fileButton, fill, h, icon, toast } from './dom.js';
import * as heads from './heads.js';
import { photos } from './photos.js';
import { countUse, isAboutPeople, markOf, question, tile, usesOf } from './questions.js';
import { headError } from './screen_photo.js';
import { at } from './site.js';
import { has, percent, t } from './text.js';
import { firstName } from '../lib/list.js';

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
      if (box.checked) countUse(name);
      await heads.choose(name, box.checked);
    } });
  return box;
}

/* Emoji are pictures that every phone has; where one has none, the first letter stands for it. */
let canEmoji;
function hasEmoji() {
  if (canEmoji === undefined) {
    const context = Object.assign(document.createElement('canvas'), { width: 20, height: 20 }).getContext('2d', { willReadFrequently: true });
    context.font = '16px sans-serif';
    context.fillText('🐕', 0, 16);
    const { data } = context.getImageData(0, 0, 20, 20);
    canEmoji = data.some((value, i) => i % 4 === 0 && data[i + 3] > 99 && Math.abs(value - data[i + 2]) > 20);
  }
  return canEmoji;
}
function signOf(head) {
  return h('span', { class: 'tile-sign', 'aria-hidden': 'true' }, (hasEmoji() && tile(head.name)) || [...head.title][0]);
}

/* A photo of what the list is about; a sign where there is none, and for lists about people. */
function tileOf(head) {
  if (!head.tile) return signOf(head);
  const image = h('img', { class: 'tile-sign', src: at(`tiles/${head.name}.webp`), alt: '', loading: 'lazy', width: 56, height: 56 });
  image.onerror = () => image.replaceWith(signOf(head));
  return image;
}

const MARKS = ['well', 'some', 'poor'];
const markLine = (head) => MARKS.includes(markOf(head)) && h('span', { class: `mark-line ${markOf(head)}` },
  icon(markOf(head) === 'well' ? 'check' : 'note'), t(`works_${markOf(head)}`));

const row = (head) =>
  h('li', { class: 'head-row' },
    h('a', { href: href(head.name) }, tileOf(head),
      h('span', { class: 'head-text' }, h('span', { class: 'head-title' }, question(head) || head.title),
        h('span', { class: 'hint' }, head.n_labels > 0 && t('labels', { n: head.n_labels })), markLine(head))),
    useSwitch(head.name, head.title));

const GROUPS = ['own', 'everyday', 'nature', 'food', 'things', 'places', 'activities', 'art', 'people'];
const MOST_USED = 4;

function groupName(group) {
  return has(`group_${group}`) ? t(`group_${group}`) : group[0].toUpperCase() + group.slice(1);
}

const section = (title, list) => h('section', {}, h('h2', {}, title), h('ul', { class: 'head-list' }, list.map(row)));

/* Most used first; then what works well with this model before what does not. */
function groups(filter) {
  const wanted = filter.trim().toLowerCase();
  const all = heads.list().filter((head) => !wanted || `${head.title} ${head.name} ${question(head)}`.toLowerCase().includes(wanted));
  if (all.length === 0) return h('p', { class: 'hint' }, t('no_head_found'));
  const order = (head) => MARKS.indexOf(markOf(head) || 'some') - 0.01 * Math.min(50, usesOf(head.name));
  const used = wanted ? [] : all.filter((head) => usesOf(head.name) > 0 || heads.heads.chosen.includes(head.name))
    .sort((a, b) => usesOf(b.name) - usesOf(a.name)).slice(0, MOST_USED);
  const byGroup = new Map();
  for (const head of all.filter((one) => !used.includes(one))) {
    const group = isAboutPeople(head) && !head.own ? 'people' : head.group || 'other';
    byGroup.set(group, [...(byGroup.get(group) ?? []), head]);
  }
  const place = (group) => (GROUPS.includes(group) ? GROUPS.indexOf(group) : GROUPS.length - 1.5);
  const names = [...byGroup.keys()].sort((a, b) => place(a) - place(b));
  return [used.length > 0 && section(t('most_used'), used),
    names.map((group) => section(groupName(group), byGroup.get(group).sort((a, b) => order(a) - order(b))))];
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
  const body = h('div', { class: 'head-groups' });
  const field = h('input', { type: 'search', name: 'find', class: 'field', 'aria-label': t('find_head'), placeholder: t('find_head'),
    oninput: () => fill(body, groups(field.value)) });
  fill(main,
    h('h1', {}, t('look_for')),
    h('p', { class: 'lead' }, t('heads_hint')),
    h('div', { class: 'row side-scroll' },
      h('a', { class: 'button main', href: '#/new' }, icon('plus'), t('new_head')),
      h('a', { class: 'button', href: '#/teach' }, icon('teach'), t('teach_photos')),
      fileButton(t('import'), importFiles, { name: 'import', accept: '.safetensors' })),
    field, body);
  fill(body, groups(''));
  const names = () => heads.list().map((head) => head.name + markOf(head)).join();
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

async function askNow(name) {
  countUse(name);
  if (photos.current) photos.current.asked = [...new Set([...photos.current.asked, name])];
  else await heads.choose(name, true);
  location.hash = '#/photo';
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

const measured = ({ works }) => works?.photos > 0 && works.top1 !== undefined &&
  t('measured', { share: percent(works.top1), n: works.photos });

export function headScreen(main, name) {
  let alive = true;
  const draw = async () => {
    const known = heads.find(name);
    if (!known) {
      fill(main, h('h1', {}, t('no_such_head')), h('p', {}, h('a', { href: '#/heads' }, t('look_for'))));
      return;
    }
    let about, examples;
    try {
      [about, examples] = await Promise.all([heads.describe(name), heads.taught(name)]);
    } catch {
      if (alive) fill(main, h('h1', {}, known.title), h('p', { class: 'bad', role: 'alert' }, t('not_offline')));
      return;
    }
    if (!alive) return;
    const templates = about.templates.length || about.fromPhotos ? about.templates : ['a photo of a {}.'];
    fill(main,
      h('p', { class: 'back' }, h('a', { href: '#/heads' }, icon('back'), t('look_for'))),
      h('h1', {}, question(known) || about.title || name),
      markLine(known), measured(known) && h('p', { class: 'hint' }, measured(known)),
      about.sensitivity && h('p', { class: 'note' }, icon('note'), h('span', {}, about.sensitivity)),
      h('div', { class: 'row' }, button(photos.current ? t('ask_photo') : t('ask_this'), () => askNow(name), { kind: 'main', name: 'eye' }),
        about.fromPhotos && h('a', { class: 'button', href: `#/teach/${encodeURIComponent(name)}` }, icon('teach'), t('add_photos'))),
      h('label', { class: 'use' }, useSwitch(name, about.title || name), t('use_this')),
      h('div', { class: 'row' },
        button(t('export'), () => exportHead(name), { name: 'export' }),
        about.own && button(t('remove'), () => removeHead(name), { kind: 'danger', name: 'bin' })),
      examplesSection(name, examples, draw),
      labelsSection(about.labels),
      h('details', { class: 'fold' }, h('summary', {}, t('about_list')),
        h('dl', { class: 'facts' },
          fact(t('sentences'), templates.length > 0 && h('ul', {}, templates.map((one) => h('li', {}, one)))),
          fact(t('kind'), about.multi ? t('kind_multi') : t('kind_single')),
          fact(t('source'), about.own && !about.source ? t('source_own') : about.source),
          fact(t('licence'), about.licence))));
  };
  draw();
  return () => (alive = false);
}
