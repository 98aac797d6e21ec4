/* The album: every photo that was asked about, in its answers; searched by words, filtered, sorted into a zip. What it keeps
 * (a small picture, the answers, the model's vector) stays in this browser. The photos themselves are not kept. */
import * as db from './db.js';
import { ask, button, dialog, download, fileButton, fill, h, icon, toast } from './dom.js';
import { whatsit } from './engine.js';
import { entries as allEntries, forgetEntries, openEntry, photos } from './photos.js';
import { addMany, errorText } from './screen_photo.js';
import { number, t, when } from './text.js';
import { zipOf } from '../lib/zip.js';

const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
const WAITED_FOR = 60; /* photos: a zip of more shows how far it is */
const UNSURE = '\u0000';
const SHOWN = 120; /* at first; more are asked for */
const DRAW_EVERY_MS = 400;

const answerOf = (entry) => (entry.answers?.[0]?.none ? UNSURE : entry.answers?.[0]?.said || (entry.answers?.[0]?.answers?.[0]?.label ?? UNSURE));
const answerName = (answer) => (answer === UNSURE ? t('cant_tell') : answer);

/* ---- as files ---- */

const safe = (name) => name.replace(/[\\/:*?"<>|\u0000-\u001f]+/g, ' ').replace(/^\.+|[. ]+$/g, '').trim() || 'photo';
const escape = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

/* Keywords, and what was said in words, as photo programs read them, in a file beside the photo. */
export const sidecar = (keywords, words) => `<?xpacket begin="\uFEFF" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:subject><rdf:Bag>
${keywords.map((word) => `<rdf:li>${escape(word)}</rdf:li>`).join('\n')}
</rdf:Bag></dc:subject>${words ? `<dc:description><rdf:Alt><rdf:li xml:lang="x-default">${escape(words)}</rdf:li></rdf:Alt></dc:description>` : ''}</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>
`;

/* One folder per answer; two photos of one name are told apart. Small pictures stand in for photos that are gone. */
export function filesOf(entries, blobOf, withKeywords) {
  const taken = new Set();
  return entries.flatMap((entry) => {
    const blob = blobOf(entry), folder = safe(answerName(answerOf(entry)));
    const [, stem, dot = '.jpg'] = /^(.*?)(\.\w{1,5})?$/.exec(safe(entry.name || `photo ${entry.id}.jpg`));
    let path = `${folder}/${stem}${dot}`;
    for (let i = 2; taken.has(path.toLowerCase()); i++) path = `${folder}/${stem} ${i}${dot}`;
    taken.add(path.toLowerCase());
    const words = [...new Set((entry.answers ?? []).filter((one) => !one.none).map((one) => one.said || one.answers?.[0]?.label).filter(Boolean))];
    const isTold = withKeywords && (words.length || entry.words);
    return [{ name: path, blob, time: entry.time },
      ...(isTold ? [{ name: `${path}.xmp`, blob: new Blob([sidecar(words, entry.words)], { type: 'application/rdf+xml' }), time: entry.time }] : [])];
  });
}

async function saveZip(entries) {
  const blobs = new Map(photos.list.filter((one) => one.blob && !one.isSmall).map((one) => [one.historyId ?? -one.id, one.blob]));
  const small = entries.filter((entry) => !blobs.has(entry.id)).length;
  const keywords = h('input', { type: 'checkbox', class: 'switch', checked: true, name: 'keywords' });
  const go = await dialog(t('zip'), (close) => [
    h('p', {}, t('zip_text', { n: entries.length })),
    small > 0 && h('p', { class: 'note' }, icon('note'), h('span', {}, t('zip_small', { n: small }))),
    h('label', { class: 'use' }, keywords, t('zip_keywords')),
    h('div', { class: 'row' }, button(t('download'), () => close(true), { kind: 'main', name: 'export' }), button(t('cancel'), () => close(false)))]);
  if (!go) return;
  const stopper = new AbortController();
  const bar = h('progress', { 'aria-label': t('zip'), max: 1, value: 0 });
  let close;
  const waiting = entries.length > WAITED_FOR ? dialog(t('zip'), (shut) => {
    close = shut;
    return [h('p', {}, bar), h('div', { class: 'row' }, button(t('cancel'), () => shut()))];
  }).then(() => stopper.abort()) : null;
  try {
    const zip = await zipOf(filesOf(entries, (entry) => blobs.get(entry.id) ?? entry.thumb, keywords.checked), (done, total) => {
      bar.value = done / total;
      if (stopper.signal.aborted) throw new Error('stopped');
    });
    download(zip, 'whatsit.zip', 'application/zip');
    toast(t('exported', { file: 'whatsit.zip' }));
  } catch (error) {
    if (!stopper.signal.aborted) toast(error.code === 'large' ? t('zip_large') : errorText(error), { bad: true });
  }
  close?.();
  await waiting;
}

/* ---- the screen ---- */

const state = { text: '', filter: '', sort: 'new', saved: false };

export function albumsScreen(main) {
  let alive = true, entries = [], shownEntries = [], asked = 0, vector = null, most = SHOWN;
  const urls = new Map();
  const results = h('div', { class: 'album' });
  const status = h('p', { class: 'hint', role: 'status' });
  const filters = h('div', { class: 'chips', role: 'group', 'aria-label': t('filter') });
  const progress = h('div', { class: 'album-progress', role: 'status' });
  const field = h('input', { type: 'search', id: 'search', class: 'field', placeholder: t('search_example'), autocomplete: 'off', value: state.text });
  const sort = h('select', { class: 'field sort', 'aria-label': t('sort'), name: 'sort', onchange: () => {
    state.sort = sort.value;
    draw();
  } }, ['new', 'answer', 'name'].map((one) => h('option', { value: one, selected: one === state.sort }, t(`sort_${one}`))));
  const urlOf = (entry) => {
    if (!urls.has(entry.id)) urls.set(entry.id, URL.createObjectURL(entry.thumb));
    return urls.get(entry.id);
  };

  const makeTile = (entry) => h('li', { class: 'entry' }, h('button', { type: 'button', class: 'tile',
    'aria-label': t('open_entry', { answer: answerName(answerOf(entry)), when: when(entry.time) }),
    onclick: async () => {
      try {
        await openEntry(entry);
        location.hash = '#/photo';
      } catch (error) {
        toast(errorText(error), { bad: true });
      }
    } }, h('img', { src: urlOf(entry), alt: '', loading: 'lazy' }), h('span', { class: 'tile-name' }, entry.saved && icon('star'), answerName(answerOf(entry)))));

  const tiles = new WeakMap(); /* used again: pictures that are shown already do not flicker */
  const tile = (entry) => {
    if (!tiles.has(entry)) tiles.set(entry, makeTile(entry));
    return tiles.get(entry);
  };

  const grid = (list) => [h('ul', { class: 'grid' }, list.slice(0, most).map(tile)),
    list.length > most && h('div', { class: 'row' }, button(t('more_labels', { n: list.length - most }), () => {
      most += 4 * SHOWN;
      draw();
    }, { kind: 'small' }))];

  function groupsOf(list) {
    const groups = new Map();
    for (const entry of list) {
      if (!groups.has(answerOf(entry))) groups.set(answerOf(entry), []);
      groups.get(answerOf(entry)).push(entry);
    }
    return [...groups].sort((a, b) => Number(a[0] === UNSURE) - Number(b[0] === UNSURE) || b[1].length - a[1].length);
  }

  function drawFilters() {
    const groups = groupsOf(entries);
    const chip = (label, isOn, set) => button(label, () => {
      set();
      draw();
    }, { kind: 'chip', 'aria-pressed': String(isOn) });
    fill(filters, groups.length > 1 && [
      chip(t('all'), !state.filter && !state.saved, () => Object.assign(state, { filter: '', saved: false })),
      entries.some((one) => one.saved) && chip(t('saved'), state.saved, () => (state.saved = !state.saved)),
      groups.slice(0, 12).map(([answer, list]) => chip(`${answerName(answer)} ${number(list.length)}`, state.filter === answer,
        () => (state.filter = state.filter === answer ? '' : answer)))]);
  }

  function draw() {
    if (!alive) return;
    drawFilters();
    let list = entries.filter((one) => (!state.filter || answerOf(one) === state.filter) && (!state.saved || one.saved));
    if (vector) {
      const usable = list.filter((one) => one.embedding && one.fingerprint === vector.fingerprint);
      list = usable.map((one) => ({ one, score: dot(one.embedding, vector.values) })).sort((a, b) => b.score - a.score).map(({ one }) => one);
    } else if (state.sort === 'name') list.sort((a, b) => (a.name ?? '').localeCompare(b.name ?? '', undefined, { numeric: true }));
    else list.sort((a, b) => b.time - a.time || b.id - a.id);
    shownEntries = list;
    zip.disabled = list.length === 0;
    if (entries.length === 0) fill(results, h('div', { class: 'empty' }, icon('albums'), h('p', {}, t('album_empty'))));
    else if (state.sort === 'answer' && !vector) {
      fill(results, groupsOf(list).map(([answer, some]) => h('section', {}, h('h2', {}, answerName(answer), ' ', h('span', { class: 'hint' }, number(some.length))), grid(some))));
    } else fill(results, grid(list));
    if (vector) status.textContent = t('search_done', { n: list.length, text: state.text });
    else status.textContent = entries.length ? t('photos', { n: list.length }) : '';
  }

  async function search() {
    state.text = field.value.trim();
    const mine = ++asked;
    if (!state.text) {
      vector = null;
      return draw();
    }
    try {
      const engine = await whatsit();
      if (!engine.info.hasText) throw Object.assign(new Error(t('no_text_tower')), { code: 'unsupported' });
      const values = await engine.embed(state.text);
      if (mine !== asked) return undefined;
      vector = { values, fingerprint: engine.info.fingerprint };
      return draw();
    } catch (error) {
      status.textContent = errorText(error);
      return undefined;
    }
  }

  async function load() {
    entries = await allEntries();
    draw();
  }

  /* New entries come one at a time and may be many: the screen follows at its own pace. */
  let drawing = null;
  function onentry({ detail }) {
    const at = entries.findIndex(({ id, thumb }) => id === detail.id || thumb === detail.thumb); /* one that is kept after all has another number */
    if (at < 0) entries.push(detail);
    else entries[at] = detail;
    drawing ??= setTimeout(() => {
      drawing = null;
      draw();
    }, DRAW_EVERY_MS);
  }

  function onchange() {
    const many = photos.progress;
    if (many && !progress.firstChild) {
      const bar = h('progress', { 'aria-label': t('adding_photos') });
      fill(progress, h('p', { class: 'hint' }), bar, button(t('cancel'), () => photos.progress?.stop(), { kind: 'small' }));
    }
    if (many) {
      progress.firstChild.textContent = t('adding', { done: Math.min(many.total, many.done + 1), total: many.total });
      Object.assign(progress.querySelector('progress'), { max: many.total, value: many.done });
    } else fill(progress);
  }

  const zip = button(t('zip'), () => saveZip(shownEntries), { name: 'export', disabled: true });
  const keep = h('input', { type: 'checkbox', name: 'keep', class: 'switch', checked: true, onchange: () => db.setSetting('history', keep.checked) });
  db.setting('history', true).then((on) => (keep.checked = on));
  const clear = button(t('clear_history'), async () => {
    if (!(await ask(t('clear_history'), t('clear_history_text'), t('clear')))) return;
    await forgetEntries();
    toast(t('cleared'));
    load();
  }, { kind: 'danger', name: 'bin' });

  let timer;
  field.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(search, 250);
  });
  fill(main,
    h('h1', {}, t('albums')),
    h('form', { role: 'search', class: 'album-search', onsubmit: (event) => {
      event.preventDefault();
      search();
    } }, h('label', { for: 'search', class: 'unseen' }, t('search_label')), field, sort),
    h('div', { class: 'row side-scroll' }, fileButton(t('add_photos'), addMany, { kind: 'main', name: 'plus', accept: 'image/*', multiple: true }), zip),
    progress, filters, status, results,
    h('details', { class: 'fold' }, h('summary', {}, t('album_keeps')),
      h('p', { class: 'hint' }, t('history_hint')),
      h('label', { class: 'use' }, keep, t('keep_history')), h('div', { class: 'row' }, clear)));
  load();
  if (state.text) search();
  onchange();
  photos.addEventListener('change', onchange);
  photos.addEventListener('entry', onentry);
  return () => {
    alive = false;
    clearTimeout(timer);
    clearTimeout(drawing);
    photos.removeEventListener('change', onchange);
    photos.removeEventListener('entry', onentry);
    for (const one of urls.values()) URL.revokeObjectURL(one);
  };
}
