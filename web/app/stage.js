/* The picture, edge to edge: tap it to ask about a part, spread two fingers over one of any size, hold it to see what speaks for the
 * answer. With a keyboard the arrow keys move the square, plus and minus size it, Enter asks. */
import { h } from './dom.js';
import { t } from './text.js';

const HOLD_MS = 450, MOVED_PX = 12;
const PART_SIDE = 0.42; /* of the shorter side, at first */
const LEAST_SIDE = 0.12;
const MOST_LOST = 0.3; /* of a picture that may be cut off to fill the stage; beyond, it is shown whole */

/* photo: { preview, width, height }. on: { ask(crop), heat(), whole() }. Gives { element, draw(), mark(crop), resize(factor), heat(map), clear() }. */
export function makeStage(photo, on) {
  const canvas = h('canvas', { class: 'photo', role: 'img' });
  const glow = h('canvas', { class: 'glow', 'aria-hidden': 'true', hidden: true });
  const mark = h('div', { class: 'mark', hidden: true });
  const element = h('div', { class: 'stage', tabindex: 0, role: 'application', 'aria-label': t('stage_label'), 'aria-describedby': 'stage-help' },
    canvas, glow, mark, h('p', { id: 'stage-help', class: 'unseen' }, t('stage_help')));
  let crop = null, side = PART_SIDE;

  const name = () => (photo.name ? t('photo_named', { name: photo.name }) : t('photo'));

  function draw() {
    if (!photo.preview) return;
    const { width, height } = photo.preview;
    if (canvas.width !== width || canvas.height !== height || canvas.shown !== photo.preview) {
      canvas.width = width;
      canvas.height = height;
      canvas.getContext('2d').drawImage(photo.preview, 0, 0);
      canvas.shown = photo.preview;
      element.style.setProperty('--ratio', String(width / height));
    }
    if (glow.hidden) canvas.setAttribute('aria-label', name());
    fit();
  }

  /* Where the picture lies in the stage: { x, y, width, height } in CSS pixels of the stage. */
  function place() {
    const box = canvas.getBoundingClientRect(), outer = element.getBoundingClientRect();
    const isWhole = element.classList.contains('whole');
    const scale = (isWhole ? Math.min : Math.max)(box.width / canvas.width, box.height / canvas.height) || 1;
    const width = canvas.width * scale, height = canvas.height * scale;
    return { x: box.left - outer.left + (box.width - width) / 2, y: box.top - outer.top + (box.height - height) / 2, width, height };
  }

  function fit() {
    const box = canvas.getBoundingClientRect();
    if (!box.width || !box.height) return;
    const mine = canvas.width / canvas.height, its = box.width / box.height;
    element.classList.toggle('whole', 1 - Math.min(mine / its, its / mine) > MOST_LOST);
    if (crop) showMark();
  }

  function showMark() {
    const at = place();
    mark.hidden = false;
    mark.style.left = `${at.x + crop.x * at.width}px`;
    mark.style.top = `${at.y + crop.y * at.height}px`;
    mark.style.width = `${crop.width * at.width}px`;
    mark.style.height = `${crop.height * at.height}px`;
  }

  /* A square around a point given as shares of the picture. */
  function around(x, y) {
    const px = side * Math.min(canvas.width, canvas.height);
    const width = px / canvas.width, height = px / canvas.height;
    const within = (value, size) => Math.min(1 - size, Math.max(0, value - size / 2));
    return { x: within(x, width), y: within(y, height), width, height };
  }

  function ask(next) {
    crop = next;
    showMark();
    on.ask(next);
  }

  function resize(factor) {
    side = Math.min(1, Math.max(LEAST_SIDE, side * factor));
    crop = crop ? around(crop.x + crop.width / 2, crop.y + crop.height / 2) : around(0.5, 0.5);
  }

  function pointOf(event) {
    const at = place(), outer = element.getBoundingClientRect();
    return [(event.clientX - outer.left - at.x) / at.width, (event.clientY - outer.top - at.y) / at.height];
  }

  /* Two fingers: the square lies between them. */
  const fingers = new Map();
  let before = null;
  function pinch() {
    const [a, b] = [...fingers.values()].map(pointOf), apart = Math.hypot((a[0] - b[0]) * canvas.width, (a[1] - b[1]) * canvas.height);
    side = Math.min(1, Math.max(LEAST_SIDE, apart / Math.min(canvas.width, canvas.height)));
    crop = around((a[0] + b[0]) / 2, (a[1] + b[1]) / 2);
    showMark();
  }
  /* The browser would zoom the page; with one finger it scrolls. */
  for (const kind of ['touchstart', 'touchmove']) element.addEventListener(kind, (event) => event.touches.length > 1 && event.preventDefault(), { passive: false });

  let down = null;
  element.addEventListener('pointerdown', (event) => {
    if (event.button !== 0 || event.target.closest('button, a, summary, details')) return;
    if (event.pointerType === 'touch') fingers.set(event.pointerId, event);
    if (fingers.size === 2) {
      away();
      before = crop;
      pinch();
    }
    if (fingers.size > 1) return;
    down = { x: event.clientX, y: event.clientY, timer: setTimeout(() => {
      down = null;
      on.heat();
    }, HOLD_MS) };
  });
  const away = () => {
    clearTimeout(down?.timer);
    down = null;
  };
  element.addEventListener('pointermove', (event) => {
    if (down && Math.hypot(event.clientX - down.x, event.clientY - down.y) > MOVED_PX) away();
    if (!fingers.has(event.pointerId)) return;
    fingers.set(event.pointerId, event);
    if (fingers.size === 2) pinch();
  });
  /* Gives whether two fingers were at it. */
  function lift(event) {
    const isPinch = fingers.size === 2 && fingers.has(event.pointerId);
    if (isPinch) fingers.clear(); /* the other finger says no more */
    fingers.delete(event.pointerId);
    return isPinch;
  }
  element.addEventListener('pointercancel', (event) => {
    away();
    if (!lift(event)) return;
    crop = before;
    if (crop) showMark();
    else mark.hidden = true;
  });
  element.addEventListener('pointerleave', away);
  element.addEventListener('contextmenu', (event) => event.pointerType === 'touch' && event.preventDefault());
  element.addEventListener('pointerup', (event) => {
    if (lift(event)) ask(crop);
    if (!down) return;
    away();
    const [x, y] = pointOf(event);
    if (x >= 0 && y >= 0 && x <= 1 && y <= 1) ask(around(x, y));
  });
  element.addEventListener('keydown', (event) => {
    if (event.target !== element) return;
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const centre = crop ? [crop.x + crop.width / 2, crop.y + crop.height / 2] : [0.5, 0.5];
    if (step) crop = around(centre[0] + 0.08 * step[0], centre[1] + 0.08 * step[1]);
    else if (event.key === '+' || event.key === '-') resize(event.key === '+' ? 1.2 : 1 / 1.2);
    else if (event.key === 'Enter' || event.key === ' ') ask(crop ?? around(0.5, 0.5));
    else if (event.key === 'Escape' && crop) on.whole();
    else return;
    event.preventDefault();
    if (crop) showMark();
  });
  const resized = typeof ResizeObserver === 'undefined' ? null : new ResizeObserver(fit);
  resized?.observe(element);

  /* Cells glow over a darkened picture, on a layer of their own; strong colour: hiding this part costs the label most. */
  function heat(map, label) {
    const small = document.createElement('canvas');
    small.width = map.columns;
    small.height = map.rows;
    const image = new ImageData(map.columns, map.rows);
    map.values.forEach((value, i) => image.data.set([255, Math.round(190 * (1 - value)), 20, Math.round(210 * value)], 4 * i));
    small.getContext('2d').putImageData(image, 0, 0);
    glow.width = canvas.width;
    glow.height = canvas.height;
    const context = glow.getContext('2d');
    context.fillStyle = 'rgb(0 0 0 / 42%)';
    context.fillRect(0, 0, glow.width, glow.height);
    context.imageSmoothingEnabled = true;
    const { x, y, width, height } = map.crop;
    context.drawImage(small, x * glow.width, y * glow.height, width * glow.width, height * glow.height);
    glow.hidden = false;
    canvas.setAttribute('aria-label', t('heat_alt', { label }));
  }

  return {
    element, draw, heat,
    resize(factor) {
      resize(factor);
      ask(crop);
    },
    mark(next) {
      crop = next;
      if (crop) showMark();
      else mark.hidden = true;
    },
    clear() {
      glow.hidden = true;
      canvas.setAttribute('aria-label', name());
    },
    leave: () => resized?.disconnect(),
  };
}
