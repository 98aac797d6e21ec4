/* Before anything is painted: the theme that the user chose. Before anything is loaded: the worker, which takes the
 * longest to start (engine.js takes it over). A plain script, so that it need not wait for modules. */
try {
  const theme = localStorage.getItem('theme');
  if (theme === 'dark' || theme === 'light') document.documentElement.dataset.theme = theme;
} catch {
  /* storage is shut: the system's theme is used */
}
globalThis.earlyWorker = new Worker('lib/worker.js', { type: 'module' });
