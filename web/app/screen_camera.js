/* The camera: full bleed, the square that the model sees drawn on it, one label that stands still while the scene does.
 * Frames go to the model one at a time, as fast as it answers. No frame is kept. */
import { button, fileButton, fill, h, icon, say } from './dom.js';
import { whatsit } from './engine.js';
import * as heads from './heads.js';
import { isCounted, question } from './questions.js';
import { headError, take } from './screen_photo.js';
import { number, t } from './text.js';
import { certaintyOf, said, verdict } from './words.js';

const SPEAK_EVERY_MS = 4000;
const MEMORY_MS = 700; /* how long a frame has a say in the answer */
const HOLD_MS = 500; /* another label has to lead that long */
const FRAME_PX = 448; /* the square goes to the model no larger: it takes less */
const STILL_MS = 2500; /* no new frame for so long: something has taken the camera */

async function openCamera(facing) {
  if (!navigator.mediaDevices?.getUserMedia) throw new DOMException('', 'NotSupportedError');
  const ask = (video) => navigator.mediaDevices.getUserMedia({ audio: false, video });
  try {
    return await ask({ facingMode: facing, width: { ideal: 1920 }, height: { ideal: 1080 } });
  } catch (error) {
    if (error.name !== 'OverconstrainedError') throw error;
    return ask(true); /* some devices take a wish for a demand */
  }
}

function refusal(error) {
  if (error.name === 'NotAllowedError' || error.name === 'SecurityError') return t('camera_denied');
  if (error.name === 'NotFoundError' || error.name === 'OverconstrainedError') return t('camera_missing');
  if (error.name === 'NotReadableError' || error.name === 'AbortError') return t('camera_busy');
  return t('camera_unsupported');
}

/* Answers over time: every label's score fades towards the newest, and the label that is shown stays until another has led
 * for a while, so that a steady scene shows one label. */
export function makeSteady() {
  let scores = new Map(), at = 0, shown = null, rival = null, since = 0, none = 0;
  return (result, now) => {
    const keep = at ? Math.exp(-(now - at) / MEMORY_MS) : 0;
    at = now;
    const next = new Map();
    const broad = result.verdict.label < 0 && result.verdict.name ? [{ label: result.verdict.name, score: result.verdict.score }] : [];
    for (const { label, score } of [...broad, ...result.answers]) next.set(label, (1 - keep) * score + keep * (scores.get(label) ?? 0));
    for (const [label, score] of scores) if (!next.has(label) && keep * score > 1e-3) next.set(label, keep * score);
    scores = next;
    none = (1 - keep) * (result.verdict.certainty === 'none' ? 1 : 0) + keep * none;
    const answers = [...scores].map(([label, score]) => ({ label, score })).sort((a, b) => b.score - a.score);
    const best = answers[0]?.label ?? null;
    if (shown === null || !scores.has(shown)) shown = best;
    else if (best !== shown) {
      if (rival !== best) {
        rival = best;
        since = now;
      } else if (now - since >= HOLD_MS) shown = best;
    } else rival = null;
    answers.sort((a, b) => Number(b.label === shown) - Number(a.label === shown));
    const certainty = none > 0.5 ? 'none' : certaintyOf(answers[0]?.score ?? 0);
    return { ...result, answers, verdict: { certainty, name: shown ?? '', label: 0, score: answers[0]?.score ?? 0 } };
  };
}

/* The square of the frame that lies under the drawn one, when the frame covers the view. */
export function squareOf(video, box) {
  const scale = Math.max(box.width / video.videoWidth, box.height / video.videoHeight);
  const side = Math.min(box.width, box.height) / scale;
  return { x: (video.videoWidth - side) / 2, y: (video.videoHeight - side) / 2, side };
}

export function cameraScreen(main) {
  let stream = null, running = true, facing = 'environment', turn = 0;
  const video = h('video', { class: 'video', playsinline: true, muted: true, 'aria-label': t('camera_view') });
  video.muted = true;
  const square = h('div', { class: 'square', 'aria-hidden': 'true' });
  const panels = h('div', { class: 'live' });
  const speed = h('p', { class: 'unseen speed' });
  const state = h('div', { class: 'camera-state', role: 'status' });
  const frame = document.createElement('canvas');
  const context = frame.getContext('2d');

  const box = () => video.getBoundingClientRect();

  /* What the screen shows, as a photo: its middle square is what the label was about. */
  const shoot = async () => {
    if (!video.videoWidth) return;
    const { width, height } = box();
    const scale = Math.max(width / video.videoWidth, height / video.videoHeight);
    const canvas = document.createElement('canvas');
    canvas.width = Math.round(width / scale);
    canvas.height = Math.round(height / scale);
    context.canvas.dataset.shot = '1';
    canvas.getContext('2d').drawImage(video, (video.videoWidth - canvas.width) / 2, (video.videoHeight - canvas.height) / 2, canvas.width, canvas.height,
      0, 0, canvas.width, canvas.height);
    video.pause(); /* the frame stands still until its page is there */
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, 'image/jpeg', 0.95));
    if (blob) take([new File([blob], t('snapshot'), { type: 'image/jpeg' })]);
  };

  const flip = () => {
    facing = facing === 'environment' ? 'user' : 'environment';
    return begin();
  };

  const light = button(t('torch'), () => setLight(light.getAttribute('aria-pressed') !== 'true'), { kind: 'over round', name: 'torch', 'aria-pressed': 'false' });
  const zoom = h('input', { type: 'range', class: 'zoom', 'aria-label': t('zoom'), oninput: () => constrain({ zoom: Number(zoom.value) }) });
  const shutter = h('button', { type: 'button', class: 'shutter', onclick: shoot, 'aria-label': t('shoot') }, h('span', { class: 'unseen' }, t('shoot')));
  const controls = h('div', { class: 'camera-row' },
    fileButton(t('choose_photo'), take, { kind: 'over round', name: 'photo', accept: 'image/*', multiple: true, quiet: true }),
    shutter,
    button(t('turn_camera'), flip, { kind: 'over round', name: 'turn', quiet: true }));

  const track = () => stream?.getVideoTracks()[0];
  const constrain = (values) => track()?.applyConstraints({ advanced: [values] }).catch(() => {});
  function setLight(on) {
    constrain({ torch: on });
    light.setAttribute('aria-pressed', String(on));
  }

  /* Torch and zoom where the camera has them. */
  function offerExtras() {
    let can = {};
    try {
      can = track()?.getCapabilities?.() ?? {};
    } catch {
      /* then it offers none */
    }
    light.hidden = !can.torch;
    light.setAttribute('aria-pressed', 'false');
    zoom.hidden = !(can.zoom?.max > can.zoom?.min);
    if (!zoom.hidden) Object.assign(zoom, { min: can.zoom.min, max: Math.min(can.zoom.max, 10 * can.zoom.min || 10), step: can.zoom.step || 0.1, value: can.zoom.min });
  }

  const end = (one) => one?.getTracks().forEach((each) => {
    each.onended = null;
    each.stop();
  });
  const stop = () => {
    turn++;
    end(stream);
    stream = null;
  };

  function showState(title, text, again) {
    root.classList.add('is-off');
    fill(panels);
    fill(state, h('div', { class: 'card refusal', role: 'alert' },
      h('h2', {}, title), h('p', {}, text),
      h('div', { class: 'row' },
        button(again, begin, { kind: 'main' }),
        fileButton(t('choose_photo'), take, { name: 'photo', accept: 'image/*' }))));
  }

  /* One beginning at a time: a second tap on "Turn" ends what the first one opened. */
  async function begin() {
    stop();
    const mine = turn;
    root.classList.remove('is-off');
    fill(state, h('p', { class: 'wait' }, t('camera_starting')));
    try {
      const got = await openCamera(facing);
      if (!running || mine !== turn) return end(got);
      stream = got;
      root.classList.toggle('is-mirrored', track().getSettings?.().facingMode === 'user' || (facing === 'user' && !track().getSettings?.().facingMode));
      track().onended = () => mine === turn && lost();
      video.srcObject = stream;
      offerExtras();
      await video.play();
      if (mine !== turn) return undefined;
      fill(state);
      watch(mine).catch((error) => running && mine === turn && fill(state, h('p', { class: 'bad', role: 'alert' }, headError(error))));
    } catch (error) {
      if (running && mine === turn) {
        stop();
        showState(t('no_camera'), refusal(error), t('try_again'));
      }
    }
    return undefined;
  }

  /* The system took the camera: another program, a call, a pulled cable. */
  function lost() {
    stop();
    if (running) showState(t('camera_ended'), t('camera_ended_text'), t('camera_again'));
  }

  /* One panel per question. */
  async function openPanels() {
    const engine = await whatsit();
    fill(state, h('p', { class: 'wait' }, t('preparing_head')));
    const names = heads.heads.chosen.slice(0, 3);
    const opened = await Promise.all(names.map((name) => heads.open(name)));
    fill(state);
    fill(panels);
    const lists = opened.map((head, index) => {
      const about = heads.find(names[index]);
      const place = h('div', { class: 'live-answer' });
      panels.append(h('section', { class: 'live-panel', 'aria-label': about.title },
        h('h2', { class: 'question' }, question(about)), head.sensitivity && h('p', { class: 'note' }, head.sensitivity), place));
      return { place, about, steady: makeSteady(), shown: '' };
    });
    return { engine, opened, lists };
  }

  function grab() {
    const { x, y, side } = squareOf(video, box());
    const px = Math.max(1, Math.min(FRAME_PX, Math.round(side)));
    if (frame.width !== px) frame.width = frame.height = px;
    context.drawImage(video, x, y, side, side, 0, 0, px, px);
    return context.getImageData(0, 0, px, px);
  }

  async function watch(mine) {
    const { engine, opened, lists } = await openPanels();
    const times = [];
    let spokenAt = 0, frameTime = -1, frameAt = performance.now();
    while (running && mine === turn) {
      if (document.hidden || video.readyState < 2 || video.paused) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        frameAt = performance.now();
        continue;
      }
      const begun = performance.now();
      if (video.currentTime !== frameTime) [frameTime, frameAt] = [video.currentTime, begun];
      else if (begun - frameAt > STILL_MS && (track()?.muted || track()?.readyState !== 'live')) return lost();
      const { answers, blank } = await engine.classify(grab(), { heads: opened, top: 8 });
      if (!running || mine !== turn) break;
      const now = performance.now();
      const verdicts = answers.map((result, index) => {
        const one = lists[index];
        const found = verdict(one.steady(result, now), { blank, counted: isCounted(one.about.name) });
        if (found.text + found.sure !== one.shown) {
          one.shown = found.text + found.sure;
          fill(one.place, said(found));
        }
        return found;
      });
      times.push(now);
      while (times[0] < now - 2000) times.shift();
      if (times.length > 2) {
        const rate = (1000 * (times.length - 1)) / (now - times[0]);
        speed.textContent = t('speed', { rate: number(Math.round(rate)) });
        speed.dataset.rate = rate.toFixed(2);
      }
      if (now - spokenAt > SPEAK_EVERY_MS) {
        spokenAt = now;
        say(verdicts.map((one) => one.text).join('. '));
      }
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    return undefined;
  }

  /* Nobody looks: the light goes out. Back again, it goes on. */
  const onvisible = () => {
    if (document.hidden) {
      if (stream) {
        stop();
        root.dataset.slept = '1';
      }
    } else if (root.dataset.slept) {
      delete root.dataset.slept;
      begin();
    }
  };

  light.hidden = zoom.hidden = true;
  const root = h('section', { class: 'camera' },
    h('h1', { class: 'unseen' }, t('camera')),
    video, square,
    h('div', { class: 'camera-top' }, h('a', { class: 'button over round', href: '#/photo', 'aria-label': t('close') }, icon('close')), light),
    h('div', { class: 'camera-bottom' }, panels, zoom, controls),
    state, speed);
  document.body.classList.add('in-camera');
  fill(main, root);
  document.addEventListener('visibilitychange', onvisible);
  begin();
  return () => {
    running = false;
    document.removeEventListener('visibilitychange', onvisible);
    document.body.classList.remove('in-camera');
    stop();
  };
}
