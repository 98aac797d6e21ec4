/* Make your own from photos: names, photos for each, and how good it is. Nothing leaves the device. */
import { button, fileButton, fill, h, icon, say, toast } from './dom.js';
import { whatsit } from './engine.js';
import * as heads from './heads.js';
import { photos } from './photos.js';
import { errorText, headError } from './screen_photo.js';
import { percent, t } from './text.js';

const THUMB_PX = 160;
const MOST_SHOWN = 24;

/* A photo as an example: what the model made of it, and a small picture. */
async function exampleOf(label, file, signal) {
  const engine = await whatsit();
  const { embedding, preview } = await engine.classify(file, { preview: THUMB_PX, signal });
  const canvas = Object.assign(document.createElement('canvas'), { width: preview.width, height: preview.height });
  canvas.getContext('2d').drawImage(preview, 0, 0);
  preview.close?.();
  const thumb = await new Promise((resolve) => canvas.toBlob(resolve, 'image/jpeg', 0.8));
  return heads.exampleOf(label, { embedding, thumb, fingerprint: engine.info.fingerprint });
}

function quality(found) {
  if (!found) return t('quality_more');
  const share = found.right / found.asked;
  return `${t(share > 0.9 ? 'quality_good' : share > 0.7 ? 'quality_fair' : 'quality_poor')} ${t('quality_held', { right: found.right, asked: found.asked, share: percent(share) })}`;
}

export function teachScreen(main, name) {
  let alive = true, examples = [], labels = [], isSaved = Boolean(name), measuring = 0, known = new Set();
  const undo = [];
  const urls = new Map();
  const rows = h('ul', { class: 'lessons' });
  const status = h('p', { role: 'status', class: 'quality' });
  const nameField = h('input', { id: 'teach-name', class: 'field', maxlength: 60, autocomplete: 'off', value: name ?? '', 'aria-describedby': 'wrong-teach' });
  const wrong = h('p', { class: 'bad', id: 'wrong-teach' });
  const fresh = h('input', { id: 'teach-label', class: 'field', maxlength: 80, autocomplete: 'off', placeholder: t('teach_example') });

  const url = (example) => {
    if (!urls.has(example.id)) urls.set(example.id, URL.createObjectURL(example.thumb));
    return urls.get(example.id);
  };
  const remember = () => {
    undo.push({ examples: [...examples], labels: [...labels] });
    back.disabled = false;
  };

  async function measure() {
    const mine = ++measuring;
    const filled = labels.filter((label) => examples.some((one) => one.label === label));
    save.disabled = filled.length < 2;
    status.textContent = filled.length < 2 ? t('teach_need') : t('quality_working');
    if (filled.length < 2) return;
    try {
      const found = await heads.heldOut(examples);
      if (alive && mine === measuring) status.textContent = quality(found);
    } catch (error) {
      if (alive && mine === measuring) status.textContent = headError(error);
    }
  }

  async function add(label, files) {
    remember();
    const stopper = new AbortController(), { signal } = stopper;
    const words = h('span', {});
    const stop = () => {
      stopper.abort();
      measure();
    };
    fill(status, words, ' ', button(t('cancel'), stop, { kind: 'small' }));
    let n = 0;
    for (const file of files) {
      words.textContent = t('adding', { done: ++n, total: files.length });
      try {
        const example = await exampleOf(label, file, signal);
        if (!signal.aborted) examples.push(example);
      } catch (error) {
        if (!signal.aborted) toast(`${file.name}: ${errorText(error)}`, { bad: true });
      }
      if (!alive || signal.aborted) return;
      draw();
    }
    say(t('examples', { n: examples.filter((one) => one.label === label).length }));
    measure();
  }

  function addLabel(typed) {
    const label = typed.replace(/[|\r\n\t]+/g, ' ').trim();
    if (!label || labels.includes(label)) return;
    remember();
    labels.push(label);
    draw();
  }

  const lesson = (label) => {
    const mine = examples.filter((one) => one.label === label);
    return h('li', { class: 'lesson' },
      h('div', { class: 'lesson-head' }, h('h2', {}, label), h('span', { class: 'hint' }, t('photos', { n: mine.length }))),
      h('div', { class: 'lesson-photos' },
        mine.slice(-MOST_SHOWN).map((one) => h('button', { type: 'button', class: 'thumb', 'aria-label': t('forget_example', { label }),
          onclick: () => {
            remember();
            examples = examples.filter((other) => other !== one);
            draw();
            measure();
          } }, h('img', { src: url(one), alt: '' })))),
      h('div', { class: 'row' },
        fileButton(t('add_photos'), (files) => add(label, files), { kind: 'small', name: 'plus', accept: 'image/*', multiple: true }),
        matchMedia('(pointer: coarse)').matches && fileButton(t('take_photo'), (files) => add(label, files), { kind: 'small', name: 'camera', accept: 'image/*', capture: 'environment' }),
        button(t('remove'), () => {
          remember();
          labels = labels.filter((one) => one !== label);
          examples = examples.filter((one) => one.label !== label);
          draw();
          measure();
        }, { kind: 'small plain', 'aria-label': t('remove_name', { name: label }) })));
  };
  /* What happens here, until it has begun. */
  const steps = ['teach', 'camera', 'check'].map((name, i) => h('li', { class: 'lesson step' }, icon(name), h('p', {}, t(`teach_step_${i + 1}`))));
  const draw = () => alive && fill(rows, labels.length ? labels.map(lesson) : steps);

  async function keep() {
    const chosen = nameField.value.trim();
    const fault = isSaved && chosen === name ? '' : heads.nameFault(chosen);
    wrong.textContent = fault && t(fault);
    if (wrong.textContent) return nameField.focus();
    try {
      await heads.keepFromPhotos(chosen, examples, !(isSaved && chosen === name), known);
      await heads.choose(chosen, true);
      toast(t('head_made', { head: chosen }));
      location.hash = photos.current ? '#/photo' : `#/head/${encodeURIComponent(chosen)}`;
    } catch (error) {
      wrong.textContent = headError(error);
    }
    return undefined;
  }

  const back = button(t('undo'), () => {
    ({ examples, labels } = undo.pop());
    back.disabled = undo.length === 0;
    draw();
    measure();
    say(t('undone'));
  }, { name: 'undo', disabled: true });
  const save = button(t('make_head'), keep, { kind: 'main', name: 'check', disabled: true });

  (async () => {
    if (name) {
      examples = await heads.taught(name);
      known = new Set(examples.map(({ id }) => id));
      labels = [...new Set(examples.map((one) => one.label))];
    }
    const lessonNow = photos.lesson;
    delete photos.lesson;
    if (lessonNow) {
      await lessonNow.photo.thumbing;
      labels.push(lessonNow.name);
      examples.push(heads.exampleOf(lessonNow.name, { ...lessonNow.photo, fingerprint: (await whatsit()).info.fingerprint }));
    }
    draw();
    measure();
  })();

  fill(main,
    h('p', { class: 'back' }, h('a', { href: '#/heads' }, icon('back'), t('look_for'))),
    h('h1', {}, t('teach_photos')),
    h('p', { class: 'lead' }, t('teach_lead')),
    rows,
    h('form', { class: 'form add-name', novalidate: true, onsubmit: (event) => {
      event.preventDefault();
      addLabel(fresh.value);
      fresh.value = '';
      fresh.focus();
    } }, h('label', { for: 'teach-label' }, t('teach_label')), h('div', { class: 'field-row' }, fresh, h('button', { type: 'submit', class: 'button' }, icon('plus'), t('add')))),
    status,
    h('div', { class: 'form' }, h('label', { for: 'teach-name' }, t('name')), nameField, wrong,
      h('div', { class: 'row' }, save, back)));
  return () => {
    alive = false;
    for (const one of urls.values()) URL.revokeObjectURL(one);
  };
}
