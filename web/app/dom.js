/* Elements without a framework. Texts are set as text, so nothing that a user or a file brings is
 * ever read as markup. */
import { t } from './text.js';

/* h('button', { class: 'main', onclick: f }, 'Go', [more]) */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (key === 'class') element.className = value;
    else if (key === 'value' || key === 'checked' || key === 'hidden' || key === 'indeterminate') element[key] = value;
    else element.setAttribute(key, value === true ? '' : value);
  }
  append(element, children);
  return element;
}

export function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
}

export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
  return element;
}

const SVG = 'http://www.w3.org/2000/svg';
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  const use = document.createElementNS(SVG, 'use');
  use.setAttribute('href', `icons/ui.svg#${name}`);
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  svg.append(use);
  return svg;
}

/* quiet: the label is for those who hear it, the icon for those who see. */
export const button = (label, onclick, { kind = '', name, quiet, ...props } = {}) =>
  h('button', { type: 'button', class: `button ${kind}`, onclick, ...props }, name && icon(name),
    quiet || kind.includes('round') ? h('span', { class: 'unseen' }, label) : label);

/* A file input that looks like a button. */
export function fileButton(label, onfiles, { kind = '', name, accept, capture, multiple, quiet } = {}) {
  const input = h('input', {
    type: 'file',
    name: 'files',
    class: 'unseen',
    accept,
    capture,
    multiple,
    onchange: () => {
      const files = [...input.files];
      input.value = '';
      if (files.length) onfiles(files);
    },
  });
  return h('label', { class: `button ${kind}` }, name && icon(name), quiet ? h('span', { class: 'unseen' }, label) : label, input);
}

/* ---- words to the user ---- */

const spoken = () => document.getElementById('spoken');
export function say(text) {
  spoken().textContent = '';
  requestAnimationFrame(() => (spoken().textContent = text));
}

let toastTimer;
export function toast(text, { action, onaction, bad = false } = {}) {
  const box = document.getElementById('toast');
  clearTimeout(toastTimer);
  fill(
    box,
    h('span', { class: bad ? 'bad' : '' }, text),
    action &&
      button(action, () => {
        box.hidden = true;
        onaction();
      }, { kind: 'plain' }),
    h('button', { type: 'button', class: 'button round', 'aria-label': t('close'), onclick: () => (box.hidden = true) }, icon('close')),
  );
  box.hidden = false;
  toastTimer = setTimeout(() => (box.hidden = true), action ? 12000 : 7000);
}

/* Browsers of 2021 know no dialogs: it lies over the page, and Escape closes it. */
function showPlainly(box) {
  box.setAttribute('open', '');
  box.setAttribute('role', 'dialog');
  box.close = () => box.dispatchEvent(new Event('close'));
  box.addEventListener('keydown', (event) => event.key === 'Escape' && box.close());
  box.querySelector('button, input')?.focus();
}

/* A modal dialog; resolves to what `close(value)` is given, or undefined. */
export function dialog(title, make) {
  return new Promise((resolve) => {
    let answer;
    const id = `dialog-${Math.random().toString(36).slice(2)}`;
    const box = h('dialog', { class: 'dialog', 'aria-labelledby': id });
    const close = (value) => {
      answer = value;
      box.close();
    };
    box.addEventListener('close', () => {
      box.remove();
      resolve(answer);
    });
    box.addEventListener('click', (event) => event.target === box && close());
    append(box, [
      h('div', { class: 'dialog-inside' },
        h('div', { class: 'dialog-head' },
          h('h2', { id }, title),
          h('button', { type: 'button', class: 'button round', 'aria-label': t('close'), onclick: () => close() }, icon('close'))),
        make(close)),
    ]);
    document.body.append(box);
    if (box.showModal) box.showModal();
    else showPlainly(box);
  });
}

export const ask = (title, text, yes) =>
  dialog(title, (close) => [
    h('p', {}, text),
    h('div', { class: 'row' },
      button(yes, () => close(true), { kind: 'danger' }),
      button(t('cancel'), () => close(false))),
  ]);

/* Pages that came over plain http have no clipboard: the text is shown, to be copied by hand. */
export const copy = (text) => (navigator.clipboard ? navigator.clipboard.writeText(text) : Promise.reject(new Error('no clipboard')))
  .then(() => toast(t('copied')), () => toast(text));

export function download(bytes, name, type = 'application/octet-stream') {
  const blob = new Blob([bytes], { type }), host = globalThis.whatsitHost;
  if (host) { /* the Android package, whose browser cannot */
    const reader = new FileReader();
    reader.onload = () => host.save(name, type, reader.result.split(',')[1]);
    return reader.readAsDataURL(blob);
  }
  const url = URL.createObjectURL(blob);
  h('a', { href: url, download: name }).click();
  return setTimeout(() => URL.revokeObjectURL(url), 10000);
}
