/* A sentence against the photos of this session. */
import { fileButton, fill, h, toast } from './dom.js';
import { whatsit } from './engine.js';
import { openPhoto, photos, reopen } from './photos.js';
import { errorText } from './screen_photo.js';
import { number, t } from './text.js';

const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);

export function searchScreen(main) {
  let asked = 0;
  const results = h('ul', { class: 'grid' });
  const status = h('p', { class: 'hint', role: 'status' });
  const field = h('input', { type: 'search', id: 'search', class: 'field', placeholder: t('search_example'), autocomplete: 'off' });

  const tile = (photo, rank) =>
    h('li', {}, h('button', { type: 'button', class: 'tile', 'aria-label': t('open_photo', { number: rank + 1, name: photo.name }),
      onclick: async () => {
        await reopen(photo);
        location.hash = '#/photo';
      } }, h('img', { src: photo.thumbUrl, alt: '' })));

  const draw = async () => {
    const text = field.value.trim();
    const mine = ++asked;
    if (photos.list.length === 0) {
      fill(results);
      status.textContent = t('search_empty');
      return;
    }
    let order = photos.list;
    if (text) {
      try {
        const engine = await whatsit();
        if (!engine.info.hasText) throw Object.assign(new Error(t('no_text_tower')), { code: 'unsupported' });
        const vector = await engine.embed(text);
        if (mine !== asked) return;
        order = photos.list.map((photo) => ({ photo, score: dot(photo.embedding, vector) }))
          .sort((a, b) => b.score - a.score).map(({ photo }) => photo);
        status.textContent = t('search_done', { n: order.length, text });
      } catch (error) {
        status.textContent = errorText(error);
        return;
      }
    } else {
      status.textContent = t('photos', { n: order.length });
    }
    fill(results, order.map(tile));
  };

  const add = async (files) => {
    let done = 0;
    for (const file of files) {
      status.textContent = t('adding', { done: number(++done), total: number(files.length) });
      await openPhoto(file, { quiet: true }).catch((error) => toast(`${file.name}: ${errorText(error)}`, { bad: true }));
    }
    draw();
  };

  let timer;
  field.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(draw, 250);
  });
  fill(main,
    h('h1', {}, t('search')),
    h('form', { role: 'search', onsubmit: (event) => {
      event.preventDefault();
      draw();
    } }, h('label', { for: 'search' }, t('search_label')), field),
    h('div', { class: 'row' }, fileButton(t('add_photos'), add, { name: 'plus', accept: 'image/*', multiple: true })),
    status, results);
  draw();
  return () => clearTimeout(timer);
}
