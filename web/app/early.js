/* Before anything is painted: the theme that the user chose. Before anything is loaded: the worker, which takes the
 * longest to start, and in it the core (engine.js takes both over). A plain script, so that it need not wait for modules. */
try {
  const theme = localStorage.getItem('theme');
  if (theme === 'dark' || theme === 'light') document.documentElement.dataset.theme = theme;
  const direction = localStorage.getItem('direction');
  if (direction) document.documentElement.dir = direction;
} catch {
  /* storage is shut: the system's theme is used */
}
/* Without the app's own script there are no texts yet, and nobody else to tell. */
globalThis.tellMissing = () => {
  const tell = () => (document.getElementById('main').textContent = location.protocol === 'file:'
    ? 'Browsers do not run this page from a file. Deliver its folder: whatsit serve --web FOLDER'
    : 'A part of the app did not arrive. Reload the page.');
  if (document.readyState === 'loading') addEventListener('DOMContentLoaded', tell);
  else tell();
};
addEventListener('error', ({ target }) => target.tagName === 'SCRIPT' && globalThis.tellMissing(), true);
/* A browser without module workers takes the joined file of a site as a plain script. */
globalThis.startWorker = () => {
  const url = 'lib/worker.js';
  let worker;
  try {
    worker = new Worker(url, { type: 'module' });
  } catch {
    worker = new Worker(url);
  }
  worker.onerror = () => (worker.hasFailed = true);
  return worker;
};
try {
  globalThis.earlyWorker = globalThis.startWorker();
  globalThis.earlyWorker.postMessage({ op: 'prepare', args: {} });
} catch {
  /* no workers at all: engine.js says so */
}
