/* The last photos of the album, to go back to: on the first screen, and beside an answer where there is room. */
import * as db from './db.js';
import { fill, h, toast } from './dom.js';
import { openEntry } from './photos.js';
import { t, when } from './text.js';

const MOST = 8;

function entryButton(entry, onerror) {
  const image = h('img', { alt: '', src: URL.createObjectURL(entry.thumb) });
  image.onload = () => URL.revokeObjectURL(image.src);
  const said = entry.answers?.[0]?.none ? '' : entry.answers?.[0]?.said;
  return h('button', { type: 'button', class: 'thumb', 'aria-label': t('open_entry', { answer: said || t('cant_tell'), when: when(entry.time) }),
    onclick: () => openEntry(entry).catch((error) => toast(onerror(error), { bad: true })) }, image);
}

/* Fills place; gives whether there was anything to fill it with. without: a set of the entries that are on the screen already. */
export async function showRecent(place, { without, onerror }) {
  const entries = (await db.latest('history', MOST + without.size).catch(() => [])).filter(({ id, thumb }) => thumb && !without.has(id)).slice(0, MOST);
  if (entries.length > 0) {
    fill(place, h('div', { class: 'recent-head' }, h('h2', {}, t('recent')), h('a', { href: '#/albums' }, t('albums'))),
      h('ul', { class: 'recent' }, entries.map((entry) => h('li', {}, entryButton(entry, onerror)))));
  }
  return entries.length > 0;
}
