/* The models, what is kept here, how it looks, in which language; and what this cannot do. */
import * as db from './db.js';
import { ask, button, fill, h, icon, toast } from './dom.js';
import { engine, fetchModel, forgetAll, forgetModel, isOnDevice, useModel } from './engine.js';
import { clearLocal, getLocal, setLocal } from './local.js';
import { bytes, LANGUAGES, languageNow, t } from './text.js';
import { at } from './site.js';
import { forgetOne } from '../lib/kept.js';

export function applyTheme(theme) {
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

function themeChoice(theme) {
  return h('fieldset', { class: 'themes' }, h('legend', {}, t('theme')),
    ['auto', 'light', 'dark'].map((one) => h('label', {},
      h('input', { type: 'radio', name: 'theme', checked: one === theme, onchange: () => {
        applyTheme(one);
        setLocal('theme', one);
      } }), t(`theme_${one}`))));
}

function languageChoice() {
  const choice = h('select', { class: 'field', id: 'language', name: 'language', onchange: () => {
    setLocal('language', choice.value);
    location.reload();
  } }, Object.entries(LANGUAGES).map(([code, name]) => h('option', { value: code, lang: code, selected: code === languageNow() }, name)));
  return h('div', { class: 'form' }, h('label', { for: 'language' }, t('language')), choice);
}

function modelFacts() {
  const info = engine.whatsit?.info;
  if (!info) return h('p', { class: 'hint' }, t('no_model_yet'));
  const facts = [
    [t('size'), bytes(info.fileBytes)], [t('sees'), t('pixels', { px: info.imagePx })], [t('weights'), info.weights],
    [t('licence'), info.licence], [t('source'), info.source],
    [t('fingerprint'), h('code', {}, info.fingerprint.slice(0, 16))],
    [t('runs_with'), t('runs', { n: info.threads, simd: info.simd })],
    [t('kept'), info.notKept ? t('kept_not') : t('kept_here')],
  ];
  return h('details', { class: 'fold' }, h('summary', {}, t('facts')),
    h('dl', { class: 'facts' }, facts.filter(([, value]) => value).map(([term, value]) => [h('dt', {}, term), h('dd', {}, value)])));
}

/* The models of this host: which is used, which are on this device, what one would download. */
function modelRow(model, isHere, redraw) {
  const isUsed = model === engine.model;
  return h('li', { class: 'model-row' },
    h('div', {}, h('p', { class: 'head-title' }, model.name), h('p', { class: 'hint' },
      [bytes(model.n_bytes), isHere && t('on_device'), isUsed && engine.whatsit && t('in_use')].filter(Boolean).join(' · '))),
    h('div', { class: 'row' },
      !isUsed && button(isHere ? t('use_model') : t('download_use', { size: bytes(model.n_bytes) }), () => {
        useModel(model);
        location.hash = '#/photo';
      }, { kind: 'small' }),
      isUsed && ['asking', 'paused', 'failed'].includes(engine.phase) && button(t('download_use', { size: bytes(model.n_bytes) }), fetchModel, { kind: 'small' }),
      isHere && button(t('forget_model'), async () => {
        if (!(await ask(t('forget_model'), t('forget_model_text'), t('remove')))) return;
        await forgetModel(model);
        toast(t('model_removed'));
        redraw();
      }, { kind: 'small danger', name: 'bin' })));
}

/* What describes in words what the model sees: it comes when it is first asked for. */
const describerRow = (source, redraw) => h('li', { class: 'model-row' },
  h('div', {}, h('p', { class: 'head-title' }, t('describer_title')), h('p', { class: 'hint' }, `${bytes(source.n_bytes)} · ${t('on_device')}`)),
  h('div', { class: 'row' }, button(t('remove'), async () => {
    if (!(await ask(t('describer_title'), t('forget_model_text'), t('remove')))) return;
    await forgetOne(source);
    toast(t('removed', { head: t('describer_title') }));
    redraw();
  }, { kind: 'small danger', name: 'bin' })));

async function clearAll() {
  if (!(await ask(t('clear_all'), t('clear_all_text'), t('clear')))) return;
  await forgetAll();
  await db.clearEverything();
  clearLocal();
  const all = async (list) => (await list().catch(() => [])) ?? []; /* what a browser refuses, it keeps nothing in */
  for (const name of await all(async () => globalThis.caches?.keys())) await caches.delete(name).catch(() => {});
  for (const one of await all(async () => navigator.serviceWorker?.getRegistrations())) await one.unregister().catch(() => {});
  location.hash = '#/photo';
  location.reload(); /* this tab waits until it is asked to download */
}

export function moreScreen(main) {
  let alive = true;
  const draw = async () => {
    const describers = engine.models.map((model) => model.describer).filter(Boolean);
    const [here, kept] = await Promise.all([engine.models, describers].map((list) => Promise.all(list.map((one) => isOnDevice(one)))));
    if (!alive) return;
    fill(main,
      h('h1', {}, t('more')),
      h('ul', { class: 'head-list plain-list' },
        h('li', { class: 'head-row' }, h('a', { href: '#/about' }, h('span', { class: 'head-title' }, t('about'))))),
      h('div', { class: 'more-grid' }, h('section', {}, h('h2', {}, t('model')),
        engine.models.length > 0 && h('ul', { class: 'head-list plain-list' }, engine.models.map((model, i) => modelRow(model, here[i] || (model === engine.model && Boolean(engine.whatsit)), draw)),
          describers.filter((_, i) => kept[i]).map((one) => describerRow(one, draw))),
        modelFacts()),
      h('div', {}, h('section', {}, languageChoice()), h('section', {}, themeChoice(getLocal('theme') ?? 'auto'))),
      h('section', {}, h('h2', {}, t('privacy')), h('p', {}, t('privacy_text')),
        h('div', { class: 'row' }, button(t('clear_all'), clearAll, { kind: 'danger', name: 'bin' })))));
  };
  draw();
  let phase = engine.phase;
  const onchange = () => {
    if (phase !== engine.phase) draw();
    phase = engine.phase;
  };
  engine.addEventListener('change', onchange);
  return () => {
    alive = false;
    engine.removeEventListener('change', onchange);
  };
}

export function aboutScreen(main) {
  const points = (keys) => h('ul', { class: 'points' }, keys.map((key) => h('li', {}, t(key))));
  fill(main,
    h('p', { class: 'back' }, h('a', { href: '#/more' }, icon('back'), t('more'))),
    h('h1', {}, t('about')),
    h('p', { class: 'lead' }, t('about_lead')),
    h('section', {}, h('h2', {}, t('about_how')), points(['about_how_1', 'about_how_2', 'about_how_3'])),
    h('section', {}, h('h2', {}, t('about_cannot')), points(['about_cannot_1', 'about_cannot_2', 'about_cannot_3', 'about_cannot_4', 'about_cannot_5', 'about_cannot_6'])),
    h('section', {}, h('h2', {}, t('about_words')), points(['about_words_1', 'about_words_2', 'about_words_3'])),
    h('p', { class: 'hint' }, t('about_licence')),
    h('p', { class: 'hint' }, h('a', { href: at('photos.tsv') }, t('about_photos'))));
  return () => {};
}
