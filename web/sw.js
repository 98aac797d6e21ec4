/* The app without a network. Pages and code come from the cache made at install; models are kept by
 * the page itself (lib/download.js). make_site.py writes the site's hash into VERSION and the list of
 * its files into FILES; as it lies here, files are asked from the network first. */

const VERSION = 'dev';
const FILES = [
  'index.html', 'app.css', 'manifest.webmanifest', 'whatsit.js', 'models.json', 'messages/en.json',
  'app/answers.js', 'app/db.js', 'app/dom.js', 'app/early.js', 'app/engine.js', 'app/heads.js', 'app/main.js', 'app/photos.js',
  'app/screen_camera.js', 'app/screen_heads.js', 'app/screen_more.js', 'app/screen_new.js', 'app/screen_photo.js',
  'app/screen_search.js', 'app/site.js', 'app/text.js',
  'lib/download.js', 'lib/kept.js', 'lib/labels.js', 'lib/pixels.js', 'lib/sha256.js', 'lib/worker.js',
  'icons/icon.svg', 'icons/ui.svg',
];
const CACHE = `whatsit-app-${VERSION}`;
const KEPT = new Set([CACHE, 'whatsit-shared', 'whatsit-lists']);
const SCOPE = new URL(self.registration.scope);
const address = (path) => new URL(path, SCOPE).href;

/* Threads need a page that is isolated from other origins; static hosts often cannot say so. */
function isolated(response) {
  if (!response || response.status === 0 || response.type === 'opaque') return response;
  const headers = new Headers(response.headers);
  headers.set('Cross-Origin-Opener-Policy', 'same-origin');
  headers.set('Cross-Origin-Embedder-Policy', 'require-corp');
  headers.set('Cross-Origin-Resource-Policy', 'same-origin');
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}

/* A packed module is kept unpacked, under its plain name. */
function unpacked(response) {
  const body = response.headers.get('Content-Encoding') ? response.body
    : response.body.pipeThrough(new DecompressionStream('gzip'));
  return new Response(body, { headers: { 'Content-Type': 'application/wasm' } });
}

async function fetchAll(paths, cacheName, optional = false) {
  const cache = await caches.open(cacheName);
  await Promise.all(paths.map(async (path) => {
    const isPacked = path.endsWith('.gz');
    const url = address(isPacked ? path.slice(0, -3) : path);
    if (await cache.match(url)) return;
    const response = await fetch(address(path), { cache: 'no-cache' });
    if (!response.ok && !optional) throw new Error(`${path}: HTTP ${response.status}`);
    if (response.ok) await cache.put(url, isolated(isPacked ? unpacked(response) : response));
  }));
}

/* The page is kept under the folder's address too, which may be something else to who does not ask for a page. */
async function keepPage() {
  const cache = await caches.open(CACHE);
  await cache.put(SCOPE.href, await cache.match(address('index.html')));
}

/* What the cache answers without waking this worker, where the browser knows how. */
async function addRoutes(event) {
  if (!event.addRoutes || VERSION === 'dev') return;
  const folders = ['app', 'lib', 'messages', 'icons', 'core'].map((name) => `${name}/*`);
  const patterns = ['', ...FILES.filter((path) => !path.includes('/')), 'heads/index.json', ...folders];
  await event.addRoutes(patterns.map((path) => ({
    condition: { requestMethod: 'GET', urlPattern: { pathname: SCOPE.pathname + path, search: '' } },
    source: { cacheName: CACHE },
  }))).catch(() => {});
}

self.addEventListener('install', (event) => {
  event.waitUntil((async () => {
    await Promise.all([addRoutes(event), fetchAll(FILES, CACHE), fetchAll(['heads/index.json'], CACHE, true)]);
    await keepPage();
    await self.skipWaiting();
  })());
});

self.addEventListener('activate', (event) => {
  event.waitUntil((async () => {
    for (const name of await caches.keys()) {
      if (name.startsWith('whatsit-') && !KEPT.has(name)) await caches.delete(name);
    }
    await self.clients.claim();
  })());
});

self.addEventListener('message', (event) => {
  /* what the page found that it needs: its variant of the core, the lists of heads */
  const { later } = event.data ?? {};
  if (Array.isArray(later)) event.waitUntil(fetchAll(later, CACHE, true).catch(() => {}));
});

async function fromNetwork(request, cacheName) {
  const response = await fetch(request);
  if (response.ok && response.status === 200) {
    const cache = await caches.open(cacheName);
    await cache.put(request, response.clone()).catch(() => {});
  }
  return response;
}

async function answer(request, url) {
  const isCore = url.href.startsWith(address('core/'));
  const isApp = isCore || FILES.includes(url.pathname.slice(SCOPE.pathname.length));
  const isPage = request.mode === 'navigate';
  const key = isPage ? address('index.html') : request; /* './' may be something else without a page's Accept */
  if (isPage || isApp) {
    const cached = await caches.match(key, { cacheName: CACHE });
    if (cached && VERSION !== 'dev') return cached;
    try {
      return await fromNetwork(isPage ? new Request(key) : request, CACHE);
    } catch (error) {
      if (cached) return cached;
      throw error;
    }
  }
  /* label lists, head files, what the server lists: new when there is a network, old otherwise */
  if (/\/(heads\/|v1\/(models|heads)(\/[^/]+)?$)/.test(url.pathname)) {
    const cached = await caches.match(request);
    if (cached && VERSION !== 'dev' && url.href.startsWith(address('heads/'))) return cached;
    try {
      return await fromNetwork(request, 'whatsit-lists');
    } catch (error) {
      if (cached) return cached;
      throw error;
    }
  }
  return fetch(request);
}

/* A photo that another app shares: put aside for the page, which takes it from there. */
async function takeShare(request) {
  const form = await request.formData();
  const cache = await caches.open('whatsit-shared');
  const files = form.getAll('photos').filter((file) => file instanceof File);
  for (const [index, file] of files.entries()) {
    const headers = { 'Content-Type': file.type, 'X-Name': encodeURIComponent(file.name) };
    await cache.put(address(`shared/${Date.now()}-${index}`), new Response(file, { headers }));
  }
  return Response.redirect(address('./?shared=1#/photo'), 303);
}

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (url.origin !== self.location.origin) return;
  if (request.method === 'POST' && url.href === address('share')) event.respondWith(takeShare(request));
  else if (request.method === 'GET' && !request.headers.has('range')) {
    event.respondWith(answer(request, url).then(isolated));
  }
});
