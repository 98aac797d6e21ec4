/* The first screen: a photo and what it shows. */
import { bars, spokenAnswer } from './answers.js';
import { button, dialog, fileButton, fill, h, icon, say, toast } from './dom.js';
import { engine, whatsit } from './engine.js';
import * as heads from './heads.js';
import { closeCurrent, openPhoto, photos, remember, reopen, wait } from './photos.js';
import { t } from './text.js';
import { firstName } from '../lib/labels.js';

const PICTURES = 'image/*';

/* Takes files from wherever they come: picker, drop, paste, share. */
export async function take(files) {
  const pictures = [...files].filter((file) => file.type.startsWith('image/') || !file.type);
  if (pictures.length === 0) {
    toast(t('not_a_picture'), { bad: true });
    return;
  }
  location.hash = '#/photo';
  wait(engine.whatsit ? 'looking' : 'waiting_for_model');
  try {
    await openPhoto(pictures[0]);
  } catch (error) {
    toast(errorText(error), { bad: true });
    return;
  } finally {
    wait(null);
  }
  for (const more of pictures.slice(1)) {
    await openPhoto(more, { quiet: true }).catch((error) => toast(errorText(error), { bad: true }));
  }
}

export const errorText = (error) =>
  error.code === 'format' ? t('cannot_open_picture')
  : error.code === 'nomem' ? t('no_memory')
  : t('went_wrong', { why: error.message });

const stateLine = () => h('div', { class: 'photo-state', role: 'status' },
  photos.waiting && h('p', { class: 'wait' }, t(photos.waiting)));

/* Phones have a camera program behind the file picker; elsewhere the live view is the way. */
const takeButton = (kind) => (matchMedia('(pointer: coarse)').matches
  ? fileButton(t('take_photo'), take, { kind, name: 'camera', accept: PICTURES, capture: 'environment' })
  : h('a', { class: `button ${kind}`, href: '#/camera' }, icon('camera'), t('use_camera')));

export function chosenLine() {
  const names = heads.heads.chosen.map((name) => heads.find(name)?.title).filter(Boolean);
  return h('p', { class: 'asking' }, t('asking'), ' ', h('strong', {}, names.join(', ')), ' ',
    h('a', { href: '#/heads' }, t('choose_heads')));
}

function start() {
  return h('section', { class: 'start' },
    h('div', { class: 'drop' },
      icon('photo'),
      h('h1', {}, t('what_is_it')),
      h('div', { class: 'stack' },
        fileButton(t('choose_photo'), take, { kind: 'main', name: 'photo', accept: PICTURES, multiple: true }),
        takeButton('')),
      h('p', { class: 'hint for-mouse' }, t('drop_hint')),
      stateLine()),
    chosenLine(),
    h('p', { class: 'private' }, icon('lock'), t('stays_here')));
}

/* ---- heat map ---- */

/* Cells are blended over the photo; strong colour: hiding this part costs the label most. */
function paintHeat(canvas, photo, map) {
  const context = canvas.getContext('2d');
  const small = document.createElement('canvas');
  small.width = map.columns;
  small.height = map.rows;
  const image = new ImageData(map.columns, map.rows);
  map.values.forEach((value, i) => image.data.set([255, Math.round(150 * (1 - value)), 0, Math.round(200 * value)], 4 * i));
  small.getContext('2d').putImageData(image, 0, 0);
  const { x, y, width, height } = map.crop;
  context.drawImage(photo.preview, 0, 0, canvas.width, canvas.height);
  context.fillStyle = 'rgb(0 0 0 / 35%)';
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingEnabled = true;
  context.drawImage(small, x * canvas.width, y * canvas.height, width * canvas.width, height * canvas.height);
}

async function heat(photo, canvas, note, name, label) {
  const stopper = new AbortController();
  const bar = h('progress', { max: 1, value: 0, 'aria-label': t('heat_working') });
  fill(note, h('p', {}, t('heat_working')), bar, button(t('cancel'), () => stopper.abort()));
  try {
    const head = await heads.open(name);
    const index = head.labels.findIndex((names) => firstName(names) === label);
    const map = await (await whatsit()).heatMap(photo.blob, {
      head, label: index, signal: stopper.signal,
      onprogress: ({ done, total }) => (bar.value = done / total),
    });
    paintHeat(canvas, photo, map);
    canvas.setAttribute('aria-label', t('heat_alt', { label }));
    fill(note, h('p', {}, t('heat_shows', { label })), h('p', { class: 'hint' }, t('heat_method')),
      button(t('heat_hide'), () => {
        paint(canvas, photo);
        fill(note);
      }));
    say(t('heat_alt', { label }));
  } catch (error) {
    fill(note);
    if (error.code !== 'cancelled') toast(errorText(error), { bad: true });
  }
}

function paint(canvas, photo) {
  if (!photo.preview) return;
  canvas.width = photo.preview.width;
  canvas.height = photo.preview.height;
  canvas.getContext('2d').drawImage(photo.preview, 0, 0);
  canvas.setAttribute('aria-label', photo.name ? t('photo_named', { name: photo.name }) : t('photo'));
}

/* ---- teaching ---- */

function labelList(labels, close) {
  const list = h('ul', { class: 'choices' });
  const show = (text) => fill(list, labels.filter((names) => names.toLowerCase().includes(text)).slice(0, 100)
    .map((names) => h('li', {}, button(firstName(names), () => close(names), { kind: 'choice' }))));
  const field = h('input', { type: 'search', name: 'find', class: 'field', 'aria-label': t('find_label'), placeholder: t('find_label'),
    oninput: () => show(field.value.trim().toLowerCase()) });
  show('');
  return [h('p', { class: 'hint' }, t('teach_hint')), labels.length > 8 && field, list];
}

async function teach(photo, name, refresh) {
  const { title } = heads.find(name);
  const head = await heads.open(name);
  const label = await dialog(t('teach_title', { head: title }), (close) => labelList(head.labels, close));
  if (!label) return;
  try {
    await photo.thumbing;
    const undo = await heads.teach(name, label, photo);
    await refresh();
    toast(t('taught', { label: firstName(label) }), {
      action: t('undo'),
      onaction: async () => {
        await undo();
        await refresh();
        say(t('undone'));
      },
    });
  } catch (error) {
    toast(t('not_kept'), { bad: true });
  }
}

/* ---- answers ---- */

function cardFor(photo, name, canvas, heatNote, speak) {
  const about = heads.find(name);
  const body = h('div', { class: 'card-body' });
  const card = h('section', { class: 'card', 'aria-label': about.title },
    h('div', { class: 'card-head' },
      h('h2', {}, h('a', { href: `#/head/${encodeURIComponent(name)}` }, about.title))),
    body);
  const refresh = async () => {
    const bar = h('progress', { 'aria-label': t('preparing_head') });
    const waiting = setTimeout(() => fill(body, h('p', { class: 'hint' }, t('preparing_head')), bar), 150);
    try {
      const head = await heads.open(name, {
        onprogress: ({ done, total }) => {
          bar.max = total;
          bar.value = done;
        },
      });
      const [result] = await (await whatsit()).answer(photo.embedding, { heads: head });
      clearTimeout(waiting);
      const sensitivity = head.sensitivity || about.sensitivity;
      fill(body,
        sensitivity && h('p', { class: 'note' }, icon('note'), h('span', {}, sensitivity)),
        bars(result),
        h('div', { class: 'row' },
          result.answers.length > 0 && button(t('where'), () =>
            heat(photo, canvas, heatNote, name, result.answers[0].label), { kind: 'small', name: 'eye' }),
          head.kind !== 'linear' && button(t('teach'), () => teach(photo, name, refresh), { kind: 'small', name: 'teach' })));
      speak(spokenAnswer(about.title, result));
      return { head: name, title: about.title, none: result.none,
        answers: result.answers.slice(0, 3).map(({ label, score }) => ({ label, score })) };
    } catch (error) {
      clearTimeout(waiting);
      fill(body, h('p', { class: 'bad', role: 'alert' }, headError(error)),
        h('p', {}, button(t('try_again'), refresh, { kind: 'small' })));
      return null;
    }
  };
  return { card, refresh };
}

export function headError(error) {
  if (error.code === 'mismatch') return t('wrong_model', { why: error.message });
  return t('head_failed', { why: error.message });
}

function answered(photo) {
  const canvas = h('canvas', { class: 'photo', role: 'img' });
  const heatNote = h('div', { class: 'heat-note', role: 'status' });
  const sentences = [];
  const cards = heads.heads.chosen.map((name) => cardFor(photo, name, canvas, heatNote, (text) => sentences.push(text)));
  paint(canvas, photo);
  (async () => {
    const results = [];
    for (const { refresh } of cards) {
      const result = await refresh();
      if (result) results.push(result);
    }
    say(sentences.join(' '));
    performance.mark('whatsit-answered');
    remember(photo, results).catch(() => toast(t('not_kept'), { bad: true }));
  })();
  return h('div', { class: 'result' },
    h('h1', { class: 'unseen' }, t('answers')),
    h('div', { class: 'photo-side' },
      h('div', { class: 'photo-frame' }, canvas,
        h('button', { type: 'button', class: 'button round put-away', 'aria-label': t('put_away'), onclick: closeCurrent }, icon('close'))),
      heatNote,
      h('div', { class: 'row photo-actions' },
        fileButton(t('another_photo'), take, { kind: 'main small', name: 'photo', accept: PICTURES, multiple: true }),
        takeButton('small')),
      stateLine(),
      strip(photo)),
    h('div', { class: 'answer-side' }, cards.map(({ card }) => card), chosenLine()));
}

/* The other photos of this session. */
function strip(photo) {
  if (photos.list.length < 2) return null;
  return h('ul', { class: 'strip', 'aria-label': t('session_photos') }, photos.list.slice(0, 30).map((one, index) =>
    h('li', {}, h('button', { type: 'button', class: 'thumb', 'aria-pressed': String(one === photo), onclick: () => reopen(one),
      'aria-label': one.name || t('photo_number', { number: photos.list.length - index }) },
      one.thumbUrl && h('img', { src: one.thumbUrl, alt: '' })))));
}

export function photoScreen(main) {
  let shown;
  const draw = () => {
    if (photos.current && photos.current === shown) {
      const canvas = main.querySelector('canvas.photo');
      if (canvas) paint(canvas, shown);
      main.querySelector('.strip')?.replaceWith(strip(shown));
      main.querySelector('.photo-state')?.replaceWith(stateLine());
      return;
    }
    shown = photos.current;
    fill(main, shown ? answered(shown) : start());
  };
  const redraw = () => {
    shown = undefined;
    draw();
  };
  let chosen = heads.heads.chosen.join();
  const onheads = () => {
    const now = heads.heads.chosen.join();
    if (now !== chosen || !photos.current) {
      chosen = now;
      redraw();
    }
  };
  draw();
  photos.addEventListener('change', draw);
  heads.heads.addEventListener('change', onheads);
  return () => {
    photos.removeEventListener('change', draw);
    heads.heads.removeEventListener('change', onheads);
  };
}
