/* History, the model, what is kept here, and how it looks. */
import * as db from './db.js';
import { bars } from './answers.js';
import { ask, button, fill, h, icon, toast } from './dom.js';
import { engine, forgetModel } from './engine.js';
import { bytes, t, when } from './text.js';

function entryRow(entry, urls) {
  const url = URL.createObjectURL(entry.thumb);
  urls.push(url);
  return h('li', { class: 'entry' },
    h('img', { src: url, alt: '', class: 'thumb-img', loading: 'lazy' }),
    h('div', {}, h('p', { class: 'hint' }, when(entry.time)),
      entry.answers.map((one) => h('div', {}, h('h2', {}, one.title), bars(one, 1)))));
}

export function historyScreen(main) {
  let alive = true;
  const urls = [];
  const draw = async () => {
    const [entries, on] = await Promise.all([db.all('history').catch(() => []), db.setting('history', true)]);
    if (!alive) return;
    const keep = h('input', { type: 'checkbox', name: 'keep', class: 'switch', checked: on,
      onchange: () => db.setSetting('history', keep.checked) });
    fill(main,
      h('p', { class: 'back' }, h('a', { href: '#/more' }, icon('back'), t('more'))),
      h('h1', {}, t('history')),
      h('p', { class: 'hint' }, t('history_hint')),
      h('label', { class: 'use' }, keep, t('keep_history')),
      entries.length > 0 && h('div', { class: 'row' }, button(t('clear_history'), async () => {
        if (!(await ask(t('clear_history'), t('clear_history_text'), t('clear')))) return;
        await db.clear('history');
        toast(t('cleared'));
        draw();
      }, { kind: 'danger', name: 'bin' })),
      entries.length === 0 ? h('p', { class: 'empty' }, t('history_empty'))
        : h('ul', { class: 'entries' }, entries.reverse().map((entry) => entryRow(entry, urls))));
  };
  draw();
  return () => {
    alive = false;
    urls.forEach((url) => URL.revokeObjectURL(url));
  };
}

export function applyTheme(theme) {
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

function themeChoice(theme) {
  return h('fieldset', { class: 'themes' }, h('legend', {}, t('theme')),
    ['auto', 'light', 'dark'].map((one) => h('label', {},
      h('input', { type: 'radio', name: 'theme', checked: one === theme, onchange: () => {
        applyTheme(one);
        localStorage.setItem('theme', one);
      } }), t(`theme_${one}`))));
}

function modelFacts() {
  const info = engine.whatsit?.info;
  if (!info) return h('p', { class: 'hint' }, t('no_model_yet'));
  const facts = [
    [t('name'), info.name], [t('size'), bytes(info.fileBytes)], [t('weights'), info.weights],
    [t('licence'), info.licence], [t('source'), info.source],
    [t('fingerprint'), h('code', {}, info.fingerprint.slice(0, 16))],
    [t('runs_with'), t('runs', { n: info.threads, simd: info.simd })],
    [t('kept'), info.notKept ? t('kept_not') : t('kept_here')],
  ];
  return [
    h('dl', { class: 'facts' }, facts.filter(([, value]) => value).map(([term, value]) => [h('dt', {}, term), h('dd', {}, value)])),
    h('div', { class: 'row' }, button(t('forget_model'), async () => {
      if (await ask(t('forget_model'), t('forget_model_text'), t('remove'))) {
        await forgetModel();
        toast(t('model_removed'));
      }
    }, { kind: 'danger', name: 'bin' })),
  ];
}

async function clearAll() {
  if (!(await ask(t('clear_all'), t('clear_all_text'), t('clear')))) return;
  for (const store of ['heads', 'taught', 'built', 'history', 'settings']) await db.clear(store).catch(() => {});
  localStorage.clear();
  await forgetModel();
  location.hash = '#/photo';
  location.reload();
}

export function moreScreen(main) {
  const draw = () => fill(main,
    h('h1', {}, t('more')),
    h('ul', { class: 'head-list' },
      h('li', { class: 'head-row' }, h('a', { href: '#/history' }, h('span', { class: 'head-title' }, t('history'))))),
    h('section', {}, h('h2', {}, t('model')), modelFacts()),
    h('section', {}, themeChoice(localStorage.getItem('theme') ?? 'auto')),
    h('section', {}, h('h2', {}, t('privacy')), h('p', {}, t('privacy_text'))),
    h('div', { class: 'row' }, button(t('clear_all'), clearAll, { kind: 'danger', name: 'bin' })));
  draw();
  let phase = engine.phase;
  const onchange = () => {
    if (phase !== engine.phase) draw();
    phase = engine.phase;
  };
  engine.addEventListener('change', onchange);
  return () => engine.removeEventListener('change', onchange);
}
