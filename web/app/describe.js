/* A sentence about the photo: what one reads to somebody who does not see it. What finds the words is a part of its own beside
 * the model; it is downloaded when it is first asked for, and then kept. */
import { button, copy, fill, h, say } from './dom.js';
import { engine, whatsit } from './engine.js';
import * as heads from './heads.js';
import { bytes, percent, t } from './text.js';
import { withArticle } from './words.js';
import { isKept } from '../lib/kept.js';

const NOTHING = 'nothing to see'; /* WI_GROUP_NOTHING */

let opened = null; /* { of: the open model, describer } */

function close() {
  opened?.describer.close();
  opened = null;
}

engine.addEventListener('change', () => engine.whatsit !== opened?.of && close());

/* Its module, for the next visit without a network. */
const keepModule = () => navigator.serviceWorker?.ready.then(({ active }) => active?.postMessage({ later: ['core/whatsit-words.wasm.gz'] })).catch(() => {});

async function openOnce(options) {
  const of = await whatsit();
  if (opened?.of === of) return opened.describer;
  const everyday = await heads.open(heads.heads.everyday);
  const describer = await of.openDescriber(engine.model.describer, { everyday, worker: globalThis.startWorker?.(), ...options });
  close();
  opened = { of, describer };
  keepModule();
  return describer;
}

/* What to tell, and the part of it that is the sentence. The core weighs it, as for the command line. */
export function toldOf({ captions, stands, perhaps }) {
  if (stands) return { text: captions[0].text, sentence: captions[0].text };
  if (perhaps === NOTHING) return { text: t('perhaps_nothing') };
  return { text: perhaps ? t('perhaps_words', { label: withArticle(perhaps, true) }) : t('no_words') };
}

/* A card that describes the photo, or the part that is asked about. on: { told({ text, sentence }), gone(), error(error) -> text }. */
export function describeCard(photo, on) {
  const body = h('div', { class: 'card-body' });
  const card = h('section', { class: 'card words', 'aria-label': t('described') }, h('p', { class: 'question' }, t('described')), body);
  let stopper = null;

  const leave = () => {
    stopper?.abort();
    card.remove();
  };
  const cancel = () => {
    leave();
    on.gone();
  };
  const cancelButton = () => button(t('cancel'), cancel, { kind: 'small' });

  function show(told) {
    fill(body,
      h('p', { class: told.sentence ? 'sentence' : 'sentence unsure', lang: told.sentence ? 'en' : undefined }, told.text),
      told.sentence && h('p', { class: 'hint' }, t('guess_note')),
      told.sentence && h('div', { class: 'row tools' }, button(t('copy_alt'), () => copy(told.text), { kind: 'small', name: 'copy' })));
    say(`${t('described')}: ${told.text}`);
    on.told(told);
  }

  async function run() {
    stopper = new AbortController();
    const { signal } = stopper;
    const bar = h('progress', { 'aria-label': t('describing') }), words = h('p', { class: 'hint', role: 'status' }, t('describing'));
    fill(body, words, bar, h('div', { class: 'row' }, cancelButton()));
    try {
      const describer = await openOnce({ signal, onprogress: ({ phase, done, total }) => {
        Object.assign(bar, { max: total, value: done });
        if (phase === 'download') words.textContent = t('model_loading', { name: t('describer'), size: bytes(total), done: bytes(done), share: percent(done / total) });
      } });
      if (signal.aborted) return;
      words.textContent = t('describing');
      bar.removeAttribute('value');
      const found = await describer.describe(photo.blob ?? photo.thumb, { crop: photo.part?.crop, signal });
      show(toldOf(found));
    } catch (error) {
      if (signal.aborted) return;
      fill(body, h('p', { class: 'bad', role: 'alert' }, on.error(error)), h('div', { class: 'row' }, button(t('try_again'), run, { kind: 'small' }), cancelButton()));
    }
  }

  async function begin() {
    const source = engine.model.describer;
    if (opened || globalThis.whatsitHost || await isKept(source)) return run(); /* the Android package brings it */
    const go = button(t('download_use', { size: bytes(source.n_bytes) }), run, { kind: 'main small' });
    fill(body, h('p', {}, t('describer_ask', { size: bytes(source.n_bytes) })), h('div', { class: 'row' }, go, cancelButton()));
    return go.focus();
  }
  return { card, begin, leave };
}
