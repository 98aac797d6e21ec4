/* Live view: frames go to the model one at a time, as fast as it answers. No frame is kept. */
import { liveBars, spokenAnswer } from './answers.js';
import { append, button, fileButton, fill, h, say } from './dom.js';
import { whatsit } from './engine.js';
import * as heads from './heads.js';
import { chosenLine, headError, take } from './screen_photo.js';
import { number, t } from './text.js';

const SPEAK_EVERY_MS = 4000;

async function openCamera(facing) {
  if (!navigator.mediaDevices?.getUserMedia) throw new DOMException('', 'NotSupportedError');
  return navigator.mediaDevices.getUserMedia({
    audio: false,
    video: { facingMode: facing, width: { ideal: 1280 }, height: { ideal: 720 } },
  });
}

function refusal(error) {
  if (error.name === 'NotAllowedError' || error.name === 'SecurityError') return t('camera_denied');
  if (error.name === 'NotFoundError' || error.name === 'OverconstrainedError') return t('camera_missing');
  if (error.name === 'NotReadableError') return t('camera_busy');
  return t('camera_unsupported');
}

export function cameraScreen(main) {
  let stream = null, running = true, facing = 'environment';
  const video = h('video', { class: 'video', playsinline: true, muted: true, 'aria-label': t('camera_view') });
  video.muted = true;
  const viewfinder = h('div', { class: 'viewfinder' }, video);
  const panels = h('div', { class: 'live' });
  const speed = h('p', { class: 'hint speed' });
  const state = h('div', { role: 'status' });

  const shoot = async () => {
    const canvas = document.createElement('canvas');
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext('2d').drawImage(video, 0, 0);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, 'image/jpeg', 0.95));
    if (blob) take([new File([blob], t('snapshot'), { type: 'image/jpeg' })]);
  };

  const turn = async () => {
    facing = facing === 'environment' ? 'user' : 'environment';
    stop();
    await begin();
  };

  const controls = h('div', { class: 'row camera-row' },
    button(t('shoot'), shoot, { kind: 'main', name: 'camera' }),
    button(t('turn_camera'), turn, { name: 'turn' }));

  const stop = () => {
    stream?.getTracks().forEach((track) => track.stop());
    stream = null;
  };

  function refuse(error) {
    controls.hidden = true;
    viewfinder.hidden = true;
    fill(state, h('div', { class: 'card refusal', role: 'alert' },
      h('h2', {}, t('no_camera')), h('p', {}, refusal(error)),
      h('div', { class: 'row' },
        button(t('try_again'), begin, { kind: 'main' }),
        fileButton(t('choose_photo'), take, { name: 'photo', accept: 'image/*' }))));
  }

  async function begin() {
    fill(state, h('p', { class: 'wait' }, t('camera_starting')));
    try {
      const got = await openCamera(facing);
      if (!running) {
        got.getTracks().forEach((track) => track.stop());
        return;
      }
      stream = got;
      video.srcObject = stream;
      viewfinder.hidden = false;
      controls.hidden = false;
      await video.play();
      fill(state);
      watch(stream).catch((error) => running && fill(state, h('p', { class: 'bad', role: 'alert' }, headError(error))));
    } catch (error) {
      if (running) refuse(error);
    }
  }

  /* One panel per head. */
  async function openPanels() {
    const engine = await whatsit();
    fill(state, h('p', { class: 'wait' }, t('preparing_head')));
    const opened = await Promise.all(heads.heads.chosen.map((name) => heads.open(name)));
    fill(state);
    fill(panels);
    const lists = opened.map((head, index) => {
      const list = h('ol', { class: 'answers' });
      const title = heads.find(heads.heads.chosen[index]).title;
      const none = h('p', { class: 'none', hidden: true }, t('none_of_these'));
      const note = head.sensitivity && h('p', { class: 'note' }, head.sensitivity);
      append(panels, [h('section', { class: 'live-panel', 'aria-label': title },
        h('h2', {}, title), note, none, list)]);
      return { list, none, title };
    });
    return { engine, opened, lists };
  }

  async function watch(mine) {
    const { engine, opened, lists } = await openPanels();
    const times = [];
    let spoken = 0;
    while (running && stream === mine) {
      if (document.hidden || video.readyState < 2) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        continue;
      }
      const { answers } = await engine.classify(video, { heads: opened, top: 3 });
      if (!running || stream !== mine) break;
      answers.forEach((result, index) => {
        liveBars(lists[index].list, result);
        lists[index].none.hidden = !result.none;
      });
      const now = performance.now();
      times.push(now);
      while (times[0] < now - 2000) times.shift();
      if (times.length > 2) {
        const rate = (1000 * (times.length - 1)) / (now - times[0]);
        speed.textContent = t('speed', { rate: number(Math.round(rate)) });
        speed.dataset.rate = rate.toFixed(2);
      }
      if (now - spoken > SPEAK_EVERY_MS) {
        spoken = now;
        say(answers.map((result, index) => spokenAnswer(lists[index].title, result)).join(' '));
      }
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }

  fill(main, h('section', { class: 'camera' },
    h('h1', { class: 'unseen' }, t('camera')),
    viewfinder, state, controls, panels, speed, chosenLine()));
  begin();
  return () => {
    running = false;
    stop();
  };
}
