/* The first screen: a photo, and what it shows in words. */
import { button, copy, dialog, fileButton, fill, h, icon, say, toast } from './dom.js';
import { engine, whatsit } from './engine.js';
import * as heads from './heads.js';
import { answer, closeCurrent, lookAt, lookAtAll, openMany, openPhoto, photos, remember, reopen, save, topOf } from './photos.js';
import { countUse, isCounted, offered, question } from './questions.js';
import { at } from './site.js';
import { makeStage } from './stage.js';
import { t } from './text.js';
import { others, said, spoken, textOf, verdict } from './words.js';
import { firstName } from '../lib/list.js';
import { decodeLarge, LARGEST_MEGAPIXELS } from '../lib/pixels.js';

/* iPhones hand out JPEG to who does not name HEIC; elsewhere what is not named cannot be chosen. */
const PICTURES = /iPhone|iPad/.test(navigator.userAgent) ? 'image/*' : 'image/*,.heic,.heif,.avif,.jxl';
const TO_ALBUM_FROM = 9; /* more photos than a strip is good for */
const PART_STEP = 1.3; /* of the square, by a tap on larger or smaller */
const TRY = ['hummingbird', 'lighthouse', 'siamese-cat', 'pizza'];

/* Some apps do not say what they hand over: its first bytes will. */
const isPicture = (file) => /^image\/|^$|^application\/octet-stream$/.test(file.type) || /\.(heic|heif|avif|jxl)$/i.test(file.name);

/* Takes files from wherever they come: picker, drop, paste, share. */
export async function take(files) {
  const pictures = [...files].filter(isPicture);
  if (pictures.length === 0) {
    toast(t('not_a_picture'), { bad: true });
    return;
  }
  if (pictures.length >= TO_ALBUM_FROM) {
    location.hash = '#/albums';
    await addMany(pictures);
    return;
  }
  location.hash = '#/photo';
  await openFirst(pictures);
}

/* The first one that can be opened is shown, the others are answered behind it. */
async function openFirst([first, ...rest], failed = []) {
  let one;
  try {
    await openPhoto(first);
  } catch (error) {
    one = [first, error];
  }
  if (one) failed.push(one);
  if (one && rest.length) await openFirst(rest, failed);
  else tellFailed([...failed, ...(rest.length ? await openMany(rest) : [])]);
}

/* Every photo is answered; those that cannot be opened are told together, at the end. */
export const addMany = async (files) => tellFailed(await openMany(files));

function tellFailed(failed) {
  if (failed.length === 0 && !photos.isFull) return;
  const [[file, error] = []] = failed;
  if (failed.length === 0) toast(t('not_kept'), { bad: true });
  else if (failed.length === 1) toast(file.name ? `${file.name}: ${errorText(error)}` : errorText(error), { bad: true });
  else {
    const names = [...new Set(failed.map(([one]) => one.name))];
    toast(t('many_failed', { n: failed.length, names: names.slice(0, 3).join(', ') + (names.length > 3 ? ', …' : '') }), { bad: true });
  }
  photos.isFull = false;
}

const KINDS = ['heic', 'tiff', 'jxl', 'avif', 'video', 'pdf', 'svg'];

/* One sentence: what it is, and what to do. */
export function errorText(error) {
  switch (error.code) {
    case 'format': return KINDS.includes(error.details?.kind) ? t(`cannot_open_${error.details.kind}`) : t('cannot_open_picture');
    case 'empty': return t('empty_file');
    case 'large': return t('too_large', { n: error.details?.megapixels ?? 0, most: LARGEST_MEGAPIXELS });
    case 'nomem': return t('no_memory');
    default: return t('went_wrong', { why: error.message });
  }
}

export function headError(error) {
  if (error.code === 'mismatch') return t('wrong_model', { why: error.message });
  if (error.code === 'taken') return t('name_taken');
  return t('head_failed', { why: error.message });
}

/* Phones have a camera program behind the file picker; elsewhere the live view is the way. */
const takeButton = (kind) => (matchMedia('(pointer: coarse)').matches
  ? fileButton(t('take_photo'), take, { kind, name: 'camera', accept: 'image/*', capture: 'environment' })
  : h('a', { class: `button ${kind}`, href: '#/camera' }, icon('camera'), t('use_camera')));

/* ---- nothing chosen yet ---- */

async function tryOut(name) {
  const response = await fetch(at(`try/${name}.jpg`)).catch(() => null);
  if (!response?.ok) return toast(t('not_offline'), { bad: true });
  const blob = await response.blob();
  return take([new File([blob], `${name}.jpg`, { type: 'image/jpeg' })]);
}

/* Their pictures come when the model is there: it is what the first visit waits for. */
function tryRow() {
  const images = TRY.map((name) => h('img', { alt: '', width: 96, height: 96, 'data-src': at(`try/${name}.jpg`) }));
  whatsit().then(() => images.forEach((image) => (image.src = image.dataset.src)));
  return h('div', { class: 'try' }, h('p', { class: 'hint' }, t('try_one')),
    h('ul', { class: 'try-row' }, TRY.map((name, i) => h('li', {}, h('button', { type: 'button', class: 'thumb', onclick: () => tryOut(name),
      'aria-label': t('try_photo', { number: i + 1 }) }, images[i])))));
}

/* Photos to go on with: the last ones, or those to try. */
async function fillRecent(place, without = new Set(), otherwise) {
  try {
    const isFilled = await (await import('./recent.js')).showRecent(place, { without, onerror: errorText });
    if (!isFilled && otherwise) fill(place, otherwise());
  } catch {
    /* not on this device yet */
  }
}

function start() {
  const recent = h('div', { class: 'recent-place' });
  whatsit().then(() => recent.isConnected && fillRecent(recent));
  return h('section', { class: 'start' },
    h('div', { class: 'drop' },
      h('h1', {}, t('what_is_it')),
      h('p', { class: 'lead' }, t('lead')),
      h('div', { class: 'stack' },
        fileButton(t('choose_photo'), take, { kind: 'main', name: 'photo', accept: PICTURES, multiple: true }),
        takeButton('')),
      h('p', { class: 'hint for-mouse' }, t('drop_hint'))),
    tryRow(),
    h('p', { class: 'private' }, icon('lock'), t('stays_here')), recent);
}

/* ---- teaching ---- */

function labelList(labels, near, close) {
  const list = h('ul', { class: 'choices' });
  const ordered = [...near.map((name) => labels.find((names) => firstName(names) === name)).filter(Boolean), ...labels];
  const unique = [...new Set(ordered)];
  const show = (typed) => {
    const wanted = typed.toLowerCase();
    const found = unique.filter((names) => names.toLowerCase().includes(wanted)).slice(0, 60);
    const isNew = typed && !labels.some((names) => names.toLowerCase().split('|').includes(wanted));
    fill(list, found.map((names) => h('li', {}, button(firstName(names), () => close({ label: names }), { kind: 'choice' }))),
      isNew && h('li', {}, button(t('new_name', { name: typed }), () => close({ fresh: typed }), { kind: 'choice', name: 'plus' })));
  };
  const field = h('input', { type: 'search', name: 'find', class: 'field', 'aria-label': t('find_label'), placeholder: t('find_label'),
    oninput: () => show(field.value.trim()) });
  show('');
  return [h('p', { class: 'hint' }, t('teach_hint')), field, list];
}

/* What is it really? The photo becomes an example of the right name. */
async function teach(photo, name, near, refresh) {
  const head = await heads.open(name);
  const chosen = await dialog(t('teach_title'), (close) => labelList(head.labels, near, close));
  if (!chosen) return;
  if (chosen.fresh) {
    photos.lesson = { photo, name: chosen.fresh };
    location.hash = '#/teach';
    return;
  }
  try {
    await photo.thumbing;
    const undo = await heads.teach(name, chosen.label, { ...photo, ...(photo.part ?? {}) });
    await refresh();
    toast(t('taught', { label: firstName(chosen.label) }), {
      action: t('undo'),
      onaction: async () => {
        await undo();
        await refresh();
        say(t('undone'));
      },
    });
  } catch {
    toast(t('not_kept'), { bad: true });
  }
}

/* ---- where is it? ---- */

/* stopper: stops it, also when the photo, the part or the question is another before it is done. */
async function heat(photo, stage, note, name, label, stopper) {
  const bar = h('progress', { max: 1, value: 0, 'aria-label': t('heat_working') });
  fill(note, h('p', {}, t('heat_working')), bar, button(t('cancel'), () => stopper.abort(), { kind: 'small' }));
  try {
    const head = await heads.open(name);
    const index = head.labels.findIndex((names) => firstName(names) === label);
    const map = await (await whatsit()).heatMap(photo.blob ?? photo.thumb, {
      head, label: index, signal: stopper.signal, crop: photo.part?.crop,
      onprogress: ({ done, total }) => (bar.value = done / total),
    });
    if (stopper.signal.aborted) return;
    stage.heat(map, label);
    fill(note, h('p', {}, t('heat_shows', { label }), ' ', h('span', { class: 'hint' }, t('heat_method'))),
      button(t('heat_hide'), () => stopper.abort(), { kind: 'small' }));
    say(t('heat_alt', { label }));
  } catch (error) {
    if (stopper.signal.aborted) return;
    stopper.abort();
    toast(errorText(error), { bad: true });
  }
}

/* ---- answers ---- */

/* A question and its answer. The first one stands on the picture. */
function cardFor(photo, name, { hero = false, onanswer = () => {}, where }) {
  const about = heads.find(name);
  const body = h('div', { class: 'card-body' });
  const card = h('section', { class: `card${hero ? ' hero' : ''}`, 'aria-label': about.title },
    h('p', { class: 'question' }, h('a', { href: `#/head/${encodeURIComponent(name)}` }, question(about))), body);
  const refresh = async () => {
    const bar = h('progress', { 'aria-label': t('preparing_head') });
    const waiting = setTimeout(() => fill(body, h('p', { class: 'hint' }, t('preparing_head')), bar), 150);
    try {
      const { head, result } = await answer(photo, name, { onprogress: ({ done, total }) => {
        bar.max = total;
        bar.value = done;
      } });
      clearTimeout(waiting);
      const verdictNow = verdict(result, { blank: (photo.part ?? photo).blank, counted: isCounted(name) });
      const near = result.answers.map((one) => one.label);
      const sensitivity = head.sensitivity || about.sensitivity;
      fill(body,
        sensitivity && h('p', { class: 'note' }, icon('note'), h('span', {}, sensitivity)),
        said(verdictNow),
        verdictNow.why && h('p', { class: 'why' }, verdictNow.why),
        /* The everyday answer has the broad word in itself, when it is the better one. */
        others(name === heads.heads.everyday ? { ...result, groups: [] } : result, verdictNow),
        !hero && h('div', { class: 'row tools' },
          verdictNow.label && button(t('where'), () => where(name, result.answers[0].label), { kind: 'small', name: 'eye' }),
          head.kind !== 'linear' && button(t(verdictNow.sure === 'sure' ? 'wrong' : 'teach'), () => teach(photo, name, near, refresh), { kind: 'small', name: 'teach' })));
      const entry = { head: name, title: about.title, none: verdictNow.sure === 'none', said: verdictNow.label ?? '', answers: topOf(result) };
      onanswer({ verdict: verdictNow, result, head, near, refresh, entry });
      return { sentence: spoken(question(about), verdictNow), entry, verdict: verdictNow };
    } catch (error) {
      clearTimeout(waiting);
      fill(body, h('p', { class: 'bad', role: 'alert' }, headError(error)),
        h('p', {}, button(t('try_again'), refresh, { kind: 'small' })));
      return null;
    }
  };
  return { card, refresh };
}

const shareCard = async (...what) => {
  try {
    await (await import('./share.js')).share(...what);
  } catch {
    toast(t('not_loaded'), { bad: true });
  }
};

/* What can be done with the first answer. */
function actions(photo, { verdict: now, result, head, near, refresh }, where) {
  const name = heads.heads.chosen[0];
  const title = question(heads.find(name));
  return [
    now.label && button(t('where'), () => where(name, result.answers[0].label), { kind: 'small', name: 'eye' }),
    head.kind !== 'linear' && button(t(now.sure === 'sure' ? 'wrong' : 'teach'), () => teach(photo, name, near, refresh), { kind: 'small', name: 'teach' }),
    button(t('share'), () => shareCard(photo, title, now), { kind: 'small', name: 'share' }),
    button(t('copy'), () => copy(textOf(title, now)), { kind: 'small', name: 'copy' }),
    button(t(photo.isSaved ? 'saved' : 'save'), () => save(photo, !photo.isSaved).catch(() => toast(t('not_kept'), { bad: true })),
      { kind: 'small', name: 'star', 'aria-pressed': String(Boolean(photo.isSaved)) }),
  ];
}

/* The other photos of this session. */
function strip(photo) {
  const many = photos.progress;
  if (photos.list.length < 2 && !many) return h('div', { class: 'strip-place' });
  return h('div', { class: 'strip-place' },
    many && h('p', { class: 'hint', role: 'status' }, t('adding', { done: Math.min(many.total, many.done + 1), total: many.total }), ' ',
      button(t('cancel'), many.stop, { kind: 'small plain' })),
    h('ul', { class: 'strip', 'aria-label': t('session_photos') }, photos.list.slice(0, 30).map((one, index) =>
      h('li', {}, h('button', { type: 'button', class: 'thumb', 'aria-pressed': String(one === photo), onclick: () => reopen(one),
        'aria-label': one.name || t('photo_number', { number: photos.list.length - index }) },
        one.thumbUrl && h('img', { src: one.thumbUrl, alt: '' }))))));
}

/* The chosen photo while the model looks, or is still on its way: it is there at once. */
function early(photo, stage) {
  const name = photo.name ? t('photo_named', { name: photo.name }) : t('photo');
  const put = (element, width, height) => {
    if (photo.state !== 'looking') return;
    stage.element.style.setProperty('--ratio', String(width / Math.max(1, height)));
    stage.element.querySelector('.early')?.remove();
    stage.element.prepend(element);
  };
  const whole = () => {
    if (!photo.blob) return;
    photo.earlyUrl ??= URL.createObjectURL(photo.blob);
    const image = h('img', { class: 'photo early', alt: name, src: photo.earlyUrl });
    image.onload = () => put(image, image.naturalWidth, image.naturalHeight);
  };
  decodeLarge(photo.blob).then((bitmap) => {
    if (!bitmap) return whole();
    const { width, height } = bitmap;
    const canvas = h('canvas', { class: 'photo early', role: 'img', 'aria-label': name, width, height });
    canvas.getContext('2d').drawImage(bitmap, 0, 0);
    bitmap.close();
    return put(canvas, width, height);
  }, whole);
  return h('section', { class: 'card hero' }, h('p', { class: 'wait photo-state', role: 'status' }, t(engine.whatsit ? 'looking' : 'waiting_for_model')));
}

/* One photo on the screen. { element, update() } */
function view(photo) {
  const heatNote = h('div', { class: 'heat-note', role: 'status' });
  const chips = h('div', { class: 'chips', role: 'group', 'aria-label': t('ask_more') });
  const tools = h('div', { class: 'row tools' });
  const cards = h('div', { class: 'cards' });
  const partBar = h('div', { class: 'part-bar' });
  const recent = h('div', { class: 'recent-place' });
  let last = null, lastHero = null, stripNow = strip(photo), words = null;
  let heating = null;
  const where = (name, label) => {
    heating?.abort();
    const mine = (heating = new AbortController());
    mine.signal.addEventListener('abort', () => {
      stage.clear();
      fill(heatNote);
    });
    return heat(photo, stage, heatNote, name, label, mine);
  };
  const stage = makeStage(photo, {
    ask: (crop) => photo.state === 'ready' && lookAt(photo, crop).catch((error) => toast(errorText(error), { bad: true })),
    heat: () => lastHero?.verdict.label && where(heads.heads.chosen[0], lastHero.result.answers[0].label),
    whole: () => lookAtAll(photo),
  });
  const close = h('button', { type: 'button', class: 'button round put-away', 'aria-label': t('put_away'), onclick: closeCurrent }, icon('close'));
  let hero = h('section', { class: 'card hero' });
  stage.element.append(hero, close);
  const element = h('div', { class: 'result' },
    h('h1', { class: 'unseen' }, t('answers')),
    h('div', { class: 'photo-side' }, stage.element, heatNote, stripNow),
    h('div', { class: 'answer-side' }, partBar, tools, cards, chips,
      h('div', { class: 'row photo-actions side-scroll' },
        fileButton(t('another_photo'), take, { kind: 'small', name: 'photo', accept: PICTURES, multiple: true }),
        takeButton('small')), recent));
  let shownKey = '';

  function drawTools() {
    if (lastHero) fill(tools, actions(photo, lastHero, where));
  }

  function drawChips() {
    const all = heads.list();
    const taken = [...heads.heads.chosen, ...photo.asked];
    const labels = [lastHero?.verdict.label, ...(lastHero?.result.answers ?? []).filter(({ score }) => score > 0.08).slice(0, 3).map(({ label }) => label)].filter(Boolean);
    const canDescribe = engine.model?.describer && !words && photo.state === 'ready';
    fill(chips, canDescribe && button(t('describe'), describe, { kind: 'chip', name: 'words' }),
      offered(labels, all, taken).map((head) => button([head.tile && h('img', { class: 'chip-tile', src: at(`tiles/${head.name}.webp`), alt: '', width: 32, height: 32, onerror: (event) => event.target.remove() }), question(head)],
        () => askMore(head.name), { kind: 'chip' })),
      h('a', { class: 'button chip more-chip', href: '#/heads' }, t('more_questions')));
  }

  async function askMore(name) {
    countUse(name);
    photo.asked.push(name);
    const { card, refresh } = cardFor(photo, name, { where });
    cards.append(card);
    drawChips();
    const found = await refresh();
    if (found) say(found.sentence);
    card.scrollIntoView?.({ block: 'nearest' });
  }

  async function describe() {
    const part = photo.part;
    let made;
    try {
      made = (await import('./describe.js')).describeCard(photo, {
        told: ({ sentence }) => {
          if (part || !sentence) return;
          photo.words = sentence;
          if (photo.answers) remember(photo, photo.answers).catch(() => {});
        },
        gone: () => {
          words = null;
          drawChips();
          chips.querySelector('button')?.focus();
        },
        error: errorText,
      });
    } catch {
      return toast(t('not_loaded'), { bad: true });
    }
    words = { ...made, part };
    cards.append(made.card);
    drawChips();
    await made.begin();
    return made.card.scrollIntoView?.({ block: 'nearest' });
  }

  async function answerAll() {
    if (words && words.part !== photo.part) {
      words.leave();
      words = null;
    }
    const [first, ...rest] = heads.heads.chosen;
    if (!first) return fill(hero, h('p', { class: 'wait', role: 'alert' }, t('being_updated'))); /* the host lacks its lists */
    const made = cardFor(photo, first, { hero: true, where, onanswer: (found) => {
      lastHero = found;
      drawTools();
      drawChips();
    } });
    hero.replaceWith(made.card);
    hero = made.card;
    const more = [...rest, ...photo.asked].filter(heads.find).map((name) => cardFor(photo, name, { where }));
    fill(cards, more.map(({ card }) => card), words?.card);
    fill(partBar, photo.part && [h('span', {}, t('about_part')),
      button(t('part_smaller'), () => stage.resize(1 / PART_STEP), { kind: 'round small', name: 'minus' }), button(t('part_larger'), () => stage.resize(PART_STEP), { kind: 'round small', name: 'plus' }),
      button(t('whole_photo'), () => lookAtAll(photo), { kind: 'small' })]);
    const mine = (last = {});
    const found = [];
    for (const { refresh } of [made, ...more]) {
      const one = await refresh();
      if (one) found.push(one);
    }
    if (mine !== last) return;
    say(found.map((one) => one.sentence).join(' '));
    performance.mark('whatsit-answered');
    if (!photo.part) await remember(photo, found.map((one) => one.entry)).catch(() => toast(t('not_kept'), { bad: true }));
    if (matchMedia('(min-width: 700px)').matches && !recent.firstChild) fillRecent(recent, new Set(photos.list.map((one) => one.historyId)), tryRow); /* the strip has those of this session */
  }

  function update() {
    const next = strip(photo);
    if (next.textContent + next.querySelectorAll('img').length !== stripNow.textContent + stripNow.querySelectorAll('img').length
      || next.querySelectorAll('li').length !== stripNow.querySelectorAll('li').length) {
      stripNow.replaceWith(next);
      stripNow = next;
    }
    const key = `${photo.state} ${JSON.stringify(photo.part?.crop ?? '')} ${heads.heads.chosen.join()} ${Boolean(engine.whatsit)}`;
    const isReady = photo.state === 'ready' && photo.preview;
    if (isReady) {
      stage.element.querySelector('.early')?.remove();
      if (photo.earlyUrl) URL.revokeObjectURL(photo.earlyUrl);
      photo.earlyUrl = null;
      stage.draw();
      stage.mark(photo.part?.crop ?? null);
    }
    if (key === shownKey) return drawTools();
    shownKey = key;
    heating?.abort(); /* it was about another part, or another question */
    if (isReady) return answerAll();
    const waiting = early(photo, stage);
    hero.replaceWith(waiting);
    hero = waiting;
    return undefined;
  }
  update();
  const leave = () => {
    heating?.abort();
    stage.leave();
    words?.leave();
  };
  return { element, update, leave, stage };
}

export function photoScreen(main) {
  let shown, now = null;
  const draw = () => {
    if (photos.current !== shown || !now) {
      now?.leave?.();
      shown = photos.current;
      document.body.classList.toggle('has-photo', Boolean(shown));
      now = shown ? view(shown) : { element: start(), update() {} };
      fill(main, now.element);
      now.stage?.draw();
    }
    now.update();
  };
  draw();
  photos.addEventListener('change', draw);
  heads.heads.addEventListener('change', draw);
  engine.addEventListener('change', draw);
  return () => {
    now?.leave?.();
    document.body.classList.remove('has-photo');
    photos.removeEventListener('change', draw);
    heads.heads.removeEventListener('change', draw);
    engine.removeEventListener('change', draw);
  };
}
