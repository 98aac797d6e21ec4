/* Search: photos of the machine that delivers the app, or of a folder on this device, by words, by a photo, or by both. A grid to look
 * at, one photo large, and a list of what was chosen. What is its own lies in files of its own, which come when somebody goes here. */
import { ask, button, dialog, download, fileButton, fill, h, icon, say, toast } from './dom.js';
import { engine } from './engine.js';
import { canRemember, folders, loadFolders, pickFolder, takeFolder } from './folders.js';
import { findLibraries, giveKey, hasKey } from './libraries.js';
import { addTexts, number, percent, t } from './text.js';

const FIRST = 60, MORE = 120, MOST = 1000, AT_ONCE = 6, SWIPE_PX = 50;
const EXAMPLES = ['a dog on a beach', 'birthday cake', 'mountains in the snow', 'a bicycle']; /* English is what every model reads */

/* As the user left it. */
const state = { source: null, words: '', like: null, anyway: false, top: FIRST, found: null, libraries: null, refusal: null };
const updated = new Set(); /* folders that were brought up to date in this visit */
const chosen = new Map(); /* id -> result */

let coming;
/* Its styles and texts, then the screen. */
export async function openSearch() {
  coming ??= Promise.all([addTexts('search'), new Promise((resolve) =>
    document.head.append(h('link', { rel: 'stylesheet', href: 'search.css', onload: resolve, onerror: resolve })))]);
  await coming;
  return searchScreen;
}

const WHY = { network: 'lib_off', no_key: 'lib_key_needed', bad_key: 'lib_key_wrong', limited_key: 'lib_key_limited', foreign_page: 'lib_foreign', gone: 'lib_gone',
  no_text: 'no_text_tower', too_fast: 'lib_busy', too_many_at_once: 'lib_busy', busy: 'lib_busy', nomem: 'lib_busy', quota: 'lib_quota', wrong_keys: 'lib_key_often' };
const inWords = (error) => (WHY[error.code] ? t(WHY[error.code]) : error.status === 503 ? t('lib_busy') : t('lib_failed', { why: error.message }));

/* Pictures come a few at a time; who asked first is served first, and who has gone is not served. */
function line() {
  const waiting = [];
  let n = 0;
  const next = () => {
    while (n < AT_ONCE && waiting.length) {
      n++;
      const work = waiting.shift();
      work().catch(() => {}).finally(() => {
        n--;
        next();
      });
    }
  };
  return (work) => {
    waiting.push(work);
    next();
  };
}

/* ---- one photo, large ---- */

/* Gives the photo that was shown last; calls onlike(photo) when more like it are wanted. */
function look(source, results, at, { thumbOf, ontoggle, onlike }) {
  return new Promise((resolve) => {
    const leaving = new AbortController();
    let url = null, asked = 0, down = null;
    const img = h('img', { class: 'viewer-picture', alt: '' });
    const count = h('span', { class: 'viewer-count' }), name = h('h2', { class: 'viewer-name' }), facts = h('p', { class: 'viewer-facts' });
    const choose = button('', () => {
      ontoggle(results[at]);
      drawChosen();
    }, { kind: 'over', name: 'check' });
    const label = h('span', {});
    choose.append(label);
    const before = button(t('lib_before'), () => show(at - 1), { kind: 'round over viewer-before', name: 'back' });
    const after = button(t('lib_after'), () => show(at + 1), { kind: 'round over viewer-after', name: 'back' });
    const box = h('dialog', { class: 'viewer', 'aria-labelledby': 'viewer-name' },
      h('div', { class: 'viewer-stage' }, img, before, after),
      h('div', { class: 'viewer-top' }, count, h('button', { type: 'button', class: 'button round over', 'aria-label': t('close'), onclick: () => box.close() }, icon('close'))),
      h('div', { class: 'viewer-text' }, name, facts, h('div', { class: 'row' },
        button(t('lib_more_like'), () => {
          box.close();
          onlike(results[at]);
        }, { kind: 'over', name: 'search' }), choose)));
    name.id = 'viewer-name';
    function drawChosen() {
      const isOn = chosen.has(results[at].id);
      choose.setAttribute('aria-pressed', String(isOn));
      label.textContent = t(isOn ? 'lib_is_chosen' : 'lib_choose');
    }
    async function show(index) {
      if (index < 0 || index >= results.length) return;
      at = index;
      const photo = results[at], mine = ++asked;
      before.disabled = at === 0;
      after.disabled = at === results.length - 1;
      count.textContent = t('lib_place', { n: number(at + 1), total: number(results.length) });
      name.textContent = photo.name;
      const folder = photo.path.includes('/') ? photo.path.replace(/\/[^/]*$/, '') : '';
      const sure = photo.confidence >= 0.01 ? t('lib_sure', { share: percent(photo.confidence) }) : '';
      facts.textContent = [photo.taken?.slice(0, 10), folder, sure].filter(Boolean).join(' · ');
      drawChosen();
      img.src = thumbOf(photo) ?? '';
      img.alt = photo.name;
      img.classList.toggle('is-small', true);
      try {
        const blob = await source.picture(photo, leaving.signal);
        if (mine !== asked) return;
        if (url) URL.revokeObjectURL(url);
        img.src = url = URL.createObjectURL(blob);
        img.classList.toggle('is-small', false);
      } catch (error) {
        if (mine === asked && !leaving.signal.aborted) facts.textContent = inWords(error);
      }
    }
    box.addEventListener('keydown', (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step) show(at + (document.documentElement.dir === 'rtl' ? -step : step));
      else if (event.key === ' ' && event.target.tagName !== 'BUTTON') choose.click();
      else if (event.key === 'Escape' && !box.showModal) box.close();
      else return;
      event.preventDefault();
    });
    box.addEventListener('touchstart', ({ touches }) => (down = touches.length === 1 ? touches[0].clientX : null), { passive: true });
    box.addEventListener('touchend', ({ changedTouches }) => {
      const moved = down === null ? 0 : changedTouches[0].clientX - down;
      if (Math.abs(moved) > SWIPE_PX) show(at + (moved < 0 ? 1 : -1));
    });
    const end = () => {
      leaving.abort();
      box.remove();
      document.documentElement.classList.remove('is-viewing');
      removeEventListener('hashchange', close);
      if (url) URL.revokeObjectURL(url);
      resolve(results[at]);
    };
    const close = () => (box.close ? box.close() : end());
    box.addEventListener('close', end);
    addEventListener('hashchange', close);
    document.body.append(box);
    document.documentElement.classList.add('is-viewing');
    if (box.showModal) box.showModal();
    else { /* browsers of 2021 know no dialogs */
      box.setAttribute('open', '');
      box.setAttribute('role', 'dialog');
      box.close = end;
    }
    show(at);
    choose.focus();
  });
}

/* ---- a list of what was chosen ---- */

const asText = (list) => list.map((one) => `${one.path}\n`).join('');
const asJson = (list) => `${JSON.stringify(list.map(({ path, score, confidence }) => ({ path, score, confidence })), null, 1)}\n`;

async function saveList() {
  const list = [...chosen.values()];
  const save = (text, name, type) => {
    download(text, name, type);
    toast(t('exported', { file: name }));
  };
  await dialog(t('lib_save'), (close) => h('div', { class: 'choices' },
    button(t('lib_save_text'), () => close(save(asText(list), 'photos.txt', 'text/plain')), { kind: 'choice', name: 'export' }),
    button(t('lib_save_json'), () => close(save(asJson(list), 'photos.json', 'application/json')), { kind: 'choice', name: 'export' }),
    navigator.clipboard && button(t('lib_copy'), () => close(navigator.clipboard.writeText(asText(list)).then(() => toast(t('copied')), (error) =>
      toast(error.message, { bad: true }))), { kind: 'choice', name: 'copy' })));
}

/* ---- the screen ---- */

function searchScreen(main) {
  let alive = true, asking = null, isChoosing = chosen.size > 0, tiles = [], watcher = null;
  const leaving = new AbortController(), later = line();
  const urls = new Map(); /* id -> address of its small picture */
  const sources = h('div', { class: 'chips sources', role: 'group', 'aria-label': t('lib_sources') });
  const status = h('p', { class: 'search-status', role: 'status' });
  const grid = h('ul', { class: 'shots' });
  const body = h('div', { class: 'search-body' });
  const place = h('div', { class: 'folder-place' }), care = h('div', { class: 'folder-tools' }); /* what is under way; what can be done with the folder */
  const like = h('div', { class: 'search-like' });
  const bar = h('div', { class: 'chosen-bar', role: 'group', 'aria-label': t('lib_save'), hidden: true });
  const field = h('input', { type: 'search', id: 'search-words', name: 'words', class: 'field', placeholder: EXAMPLES[0], autocomplete: 'off', enterkeyhint: 'search',
    value: state.words, 'aria-label': t('lib_label') });
  const choosing = button(t('lib_choose'), () => {
    isChoosing = !isChoosing;
    if (!isChoosing) chosen.clear();
    drawChosen();
  }, { kind: 'small', name: 'check' });
  const everything = button(t('lib_choose_all'), () => {
    for (const one of state.found?.results ?? []) chosen.set(one.id, one);
    drawChosen();
  }, { kind: 'small' });
  const tools = h('div', { class: 'search-tools', hidden: true }, status, h('div', { class: 'row' }, everything, choosing));

  /* ---- choosing ---- */

  function drawChosen() {
    isChoosing ||= chosen.size > 0;
    everything.hidden = !isChoosing;
    choosing.lastChild.textContent = t(isChoosing ? 'lib_choose_end' : 'lib_choose');
    grid.classList.toggle('is-choosing', isChoosing);
    for (const { tile, photo } of tiles) {
      if (isChoosing) tile.setAttribute('aria-pressed', String(chosen.has(photo.id)));
      else tile.removeAttribute('aria-pressed');
    }
    bar.hidden = chosen.size === 0;
    document.body.classList.toggle('has-chosen', chosen.size > 0);
    fill(bar, h('span', {}, t('lib_chosen', { n: chosen.size })), button(t('lib_save'), saveList, { kind: 'main small', name: 'export' }),
      button(t('lib_choose_none'), () => {
        chosen.clear();
        drawChosen();
      }, { kind: 'round', name: 'close' }));
  }
  const toggle = (photo) => {
    if (!chosen.delete(photo.id)) chosen.set(photo.id, photo);
    drawChosen();
    say(t('lib_chosen', { n: chosen.size }));
  };

  /* ---- the grid ---- */

  async function bring(photo, tile) {
    if (!alive || !tile.isConnected) return;
    try {
      const url = urls.get(photo.id) ?? URL.createObjectURL(await state.source.thumb(photo, leaving.signal));
      urls.set(photo.id, url);
      const img = tile.querySelector('img');
      img.src = url;
      img.hidden = false;
    } catch (error) {
      if (!alive) return;
      tile.classList.add('is-gone');
      const text = t(error.code === 'gone' ? 'lib_gone' : 'lib_unseen');
      tile.append(h('span', { class: 'shot-note' }, text));
      tile.setAttribute('aria-label', `${tile.getAttribute('aria-label')}, ${text}`);
    }
  }

  async function openAt(index) {
    if (isChoosing) return toggle(tiles[index].photo);
    const last = await look(state.source, state.found.results, index, { thumbOf: ({ id }) => urls.get(id), ontoggle: toggle, onlike: (photo) => find({ like: photo, words: '' }) });
    return tiles.find(({ photo }) => photo.id === last.id)?.tile.focus();
  }

  function moveTo(index) {
    if (!tiles[index]) return;
    for (const { tile } of tiles) tile.tabIndex = -1;
    tiles[index].tile.tabIndex = 0;
    tiles[index].tile.focus();
  }

  const columns = () => getComputedStyle(grid).gridTemplateColumns.split(' ').length;
  grid.addEventListener('keydown', (event) => {
    const at = tiles.findIndex(({ tile }) => tile === event.target);
    if (at < 0) return;
    const side = document.documentElement.dir === 'rtl' ? -1 : 1;
    const to = { ArrowRight: at + side, ArrowLeft: at - side, ArrowDown: at + columns(), ArrowUp: at - columns(), Home: 0, End: tiles.length - 1 }[event.key];
    if (to !== undefined) moveTo(Math.min(tiles.length - 1, Math.max(0, to)));
    else if (event.key === ' ') toggle(tiles[at].photo);
    else if (event.key === 'Escape' && isChoosing) {
      isChoosing = false;
      chosen.clear();
      drawChosen();
    } else if (event.key === 'Escape') field.focus();
    else return;
    event.preventDefault();
  });
  /* A button is pressed when Space is let go: here Space chooses. */
  grid.addEventListener('keyup', (event) => event.key === ' ' && event.preventDefault());

  function tileOf(photo, index) {
    const tile = h('button', { type: 'button', class: 'shot', 'aria-label': photo.name, title: photo.name, onclick: () => openAt(index) },
      h('img', { alt: '', hidden: true }), h('span', { class: 'shot-check' }, icon('check')));
    tile.tabIndex = index === 0 ? 0 : -1;
    return { tile, photo };
  }

  function drawGrid() {
    watcher?.disconnect();
    watcher = globalThis.IntersectionObserver ? new IntersectionObserver((seen) => {
      for (const { isIntersecting, target } of seen) {
        if (!isIntersecting) continue;
        watcher.unobserve(target);
        const { photo } = tiles.find(({ tile }) => tile === target) ?? {};
        if (photo) later(() => bring(photo, target));
      }
    }, { rootMargin: '300px' }) : null;
    tiles = state.found.results.map(tileOf);
    fill(grid, tiles.map(({ tile }) => h('li', {}, tile)));
    for (const { tile, photo } of tiles) {
      if (watcher) watcher.observe(tile);
      else later(() => bring(photo, tile));
    }
    drawChosen();
  }

  /* ---- what was found ---- */

  const empty = (title, text, ...more) => h('div', { class: 'empty search-empty' }, icon('search'), h('p', { class: 'empty-title' }, title), text && h('p', { class: 'hint' }, text), ...more);

  function drawStart() {
    tools.hidden = true;
    if (state.source?.isLocked) return fill(body, keyForm());
    if (!state.source) return fill(body, empty(t('lib_none'), t(canRemember() ? 'lib_none_hint' : 'lib_none_again'), adder('main')));
    return fill(body, empty(t('lib_start'), t(state.source.isServer ? 'lib_privacy' : 'lib_private'), h('div', { class: 'chips' }, EXAMPLES.map((words) => button(words, () => find({ words, like: null }),
      { kind: 'chip', lang: 'en' })))));
  }

  function drawFound() {
    const { results, isSure } = state.found, n = results.length;
    tools.hidden = n === 0;
    if (n === 0) {
      fill(body, empty(t('lib_nothing'), t('lib_nothing_hint'), isSure && button(t('lib_anyway'), () => find({ anyway: true }))));
      return say(t('lib_nothing'));
    }
    status.textContent = t(state.like ? 'lib_alike' : isSure ? 'lib_found' : 'lib_nearest', { n });
    const more = n === state.top && n < MOST && button(t('lib_more'), () => find({ top: Math.min(MOST, state.top + MORE) }, tiles.length), { kind: 'more' });
    fill(body, grid, h('div', { class: 'row' }, more), h('p', { class: 'hint for-mouse' }, t('lib_keys')));
    return drawGrid();
  }

  function drawLike() {
    const { like: photo } = state;
    const url = photo && urls.get(photo.id);
    fill(like, photo && h('span', { class: 'like-chip' }, url && h('img', { src: url, alt: '' }), h('span', {}, t('lib_like', { name: photo.name })),
      button(t('lib_like_drop'), () => find({ like: null }), { kind: 'round', name: 'close' })));
  }

  /* Searches with what is changed of the state; at: the photo to go on from, or -1 to stay where one is. */
  async function find(change = {}, at = null) {
    if (!('anyway' in change) && !('top' in change)) Object.assign(state, { anyway: false, top: FIRST });
    Object.assign(state, change);
    field.value = state.words;
    drawLike();
    asking?.abort();
    if (!state.source || state.source.isLocked || (!state.words && !state.like)) {
      state.found = null;
      return drawStart();
    }
    const mine = (asking = new AbortController());
    body.setAttribute('aria-busy', 'true');
    if (!state.source.isServer && engine.phase !== 'ready') {
      tools.hidden = true;
      fill(body, empty(t('lib_waits')));
    }
    try {
      const found = await state.source.search({ words: state.words, like: state.like, top: state.top, min: state.anyway ? 0 : null, signal: mine.signal });
      if (!alive || mine !== asking) return undefined;
      state.found = found;
      drawFound();
      if (at === null) scrollTo(0, 0);
      else if (at >= 0) moveTo(at);
    } catch (error) {
      if (!alive || mine !== asking || mine.signal.aborted) return undefined;
      state.found = null;
      tools.hidden = true;
      if (['no_key', 'bad_key', 'limited_key'].includes(error.code)) {
        lock(error.code);
        drawSources();
        drawStart();
      } else fill(body, empty(inWords(error), '', button(t('try_again'), () => find())));
      say(inWords(error));
    } finally {
      if (mine === asking) body.removeAttribute('aria-busy');
    }
    return undefined;
  }

  /* ---- keys ---- */

  function keyForm() {
    const key = h('input', { type: 'password', name: 'key', id: 'photos-key', class: 'field', autocomplete: 'off', spellcheck: 'false', required: true });
    const keep = h('input', { type: 'checkbox', class: 'switch', name: 'keep' });
    const isWrong = hasKey();
    const why = h('p', { class: 'bad', role: 'alert' }, isWrong || state.refusal !== 'no_key' ? inWords({ code: state.refusal, message: state.refusal }) : '');
    return h('form', { class: 'form key-form', onsubmit: (event) => {
      event.preventDefault();
      giveKey(key.value.trim(), keep.checked);
      open();
    } }, h('h2', {}, t('lib_key_title')), h('p', { class: 'hint' }, t('lib_key_text')), h('label', { for: 'photos-key' }, t('lib_key')), key, why,
    h('label', { class: 'use' }, keep, t('lib_key_keep')), h('div', { class: 'row' }, button(t('lib_key_open'), null, { kind: 'main', type: 'submit' })));
  }

  /* ---- where to look ---- */

  const locked = () => ({ id: 'server', name: t('lib_server'), isLocked: true, isServer: true });
  function lock(why) {
    state.refusal = why;
    state.libraries = [locked()];
    state.source = state.libraries[0];
  }
  const all = () => [...(state.libraries ?? []), ...(folders.list ?? [])];

  function use(source) {
    chosen.clear();
    isChoosing = false;
    Object.assign(state, { source, like: null });
    drawSources();
    find();
  }

  function drawSources() {
    const list = all();
    fill(sources, list.map((one) => button(one.isLocked ? one.name : `${one.name} · ${number(one.n)}`, () => use(one),
      { kind: 'chip', name: one.isLocked ? 'lock' : null, 'aria-pressed': String(one === state.source) })), list.length > 0 && adder('chip more-chip'));
    drawPlace();
  }

  /* ---- folders of this device ---- */

  /* Opens one more: by the browser's handle, which it remembers, or by its files. */
  function adder(kind) {
    const opened = async (opening) => {
      try {
        const folder = await opening;
        if (!folder) return;
        use(folder);
        bringUp(folder);
      } catch (error) {
        toast(inWords(error), { bad: true });
      }
    };
    if (canRemember()) return button(t('lib_open_folder'), () => opened(pickFolder()), { kind, name: 'plus' });
    const chooser = fileButton(t('lib_open_folder'), (files) => opened(takeFolder(files)), { kind, name: 'plus', multiple: true });
    chooser.querySelector('input').setAttribute('webkitdirectory', '');
    return chooser;
  }

  async function bringUp(folder) {
    updated.add(folder.key);
    try {
      await folder.update();
    } catch (error) {
      if (error.code !== 'cancelled') toast(inWords(error), { bad: true });
    }
    if (!alive || state.source !== folder) return;
    if (state.words || state.like) find({ top: state.top }, -1);
    else drawStart();
  }

  let drawnFor = '';
  function drawPlace() {
    const folder = state.source?.isServer === false ? state.source : null, reading = folders.reading?.folder === folder ? folders.reading : null;
    const what = [folder?.id, Boolean(reading), folder?.isOpen, folder?.nBroken, folders.isKept, Boolean(folders.reading)].join();
    if (what !== drawnFor) {
      drawnFor = what;
      fill(place, folder && [
        reading && h('div', { class: 'reading' }, h('p', { class: 'hint' }), h('progress', { 'aria-label': t('adding_photos'), max: 1, value: 0 }),
          button(t('cancel'), () => {
            reading.stop();
            drawPlace();
          }, { kind: 'small' })),
        !folder.isOpen && h('div', { class: 'note' }, icon('note'), h('span', {}, t(folder.handle ? 'lib_closed' : 'lib_closed_again')),
          folder.handle ? button(t('lib_open_again', { name: folder.name }), async () => (await folder.openAgain()) && bringUp(folder), { kind: 'small' }) : null),
        !folders.isKept && h('p', { class: 'hint' }, t('lib_not_kept'))]);
      fill(care, folder && !reading && [
        folder.nBroken > 0 && h('p', { class: 'hint' }, t('lib_broken', { n: folder.nBroken })),
        folder.isOpen && !folders.reading && button(t('lib_read_again'), () => bringUp(folder), { kind: 'plain small', name: 'undo' }),
        button(t('lib_forget'), async () => {
          if (!(await ask(t('lib_forget'), t('lib_forget_text', { name: folder.name }), t('remove')))) return;
          await folder.remove();
          use(all()[0] ?? null);
        }, { kind: 'plain small', name: 'bin' })]);
    }
    const box = place.querySelector('.reading');
    if (!box || !reading) return;
    box.querySelector('p').textContent = reading.total ? t('adding', { done: Math.min(reading.total, reading.done + 1), total: reading.total }) : t('adding_photos');
    Object.assign(box.querySelector('progress'), { max: reading.total || 1, value: reading.done });
  }

  let drawing = 0;
  const onfolders = () => (drawing ||= requestAnimationFrame(() => {
    drawing = 0;
    if (!alive) return;
    const pressed = sources.querySelector('[aria-pressed="true"]'), { source } = state;
    if (source?.isServer === false && pressed?.isConnected) pressed.lastChild.textContent = `${source.name} · ${number(source.n)}`;
    drawPlace();
  }));

  async function open() {
    const [{ libraries, refusal }] = await Promise.all([findLibraries(), loadFolders()]);
    if (!alive) return;
    Object.assign(state, { refusal, libraries: refusal ? [locked()] : libraries });
    const list = all();
    state.source = list.find((one) => one.id === state.source?.id) ?? list.find((one) => !one.isLocked) ?? list[0] ?? null;
    drawSources();
    find();
    for (const folder of folders.list) if (folder.handle && folder.isOpen && !updated.has(folder.key)) await bringUp(folder);
  }

  fill(main, h('h1', {}, t('search')),
    h('form', { role: 'search', class: 'search-form', onsubmit: (event) => {
      event.preventDefault();
      field.blur();
      find({ words: field.value.trim() });
    } }, h('div', { class: 'search-field' }, icon('search'), field), fileButton(t('lib_by_picture'), ([blob]) => find({ like: { blob, name: blob.name }, words: '' }),
      { kind: 'round search-picture', name: 'photo', accept: 'image/*', quiet: true })),
    like, sources, place, tools, body, care, bar);
  field.addEventListener('input', () => field.value === '' && find({ words: '' }));
  folders.addEventListener('change', onfolders);
  drawSources();
  if (state.found) {
    drawLike();
    drawFound();
  } else open();
  return () => {
    alive = false;
    asking?.abort();
    leaving.abort();
    watcher?.disconnect();
    folders.removeEventListener('change', onfolders);
    document.body.classList.remove('has-chosen');
    for (const url of urls.values()) URL.revokeObjectURL(url);
  };
}
