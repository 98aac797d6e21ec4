/* Before anything is painted: the theme that the user chose. Before anything is loaded: the worker, which takes the
 * longest to start, and in it the core (engine.js takes both over). A plain script, so that it need not wait for modules. */
try {
  const theme = localStorage.getItem('theme');
  if (theme === 'dark' || theme === 'light') document.documentElement.dataset.theme = theme;
} catch {
  /* storage is shut: the system's theme is used */
}
globalThis.earlyWorker = new Worker('lib/worker.js', { type: 'module' });
globalThis.earlyWorker.postMessage({ op: 'prepare', args: { core: new URL('core/whatsit-core.mjs', document.baseURI).href } });
