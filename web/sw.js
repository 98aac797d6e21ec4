/* The app without a network. Pages and code come from the cache made at install; models are kept by
 * the page itself (lib/download.js). make_site.py writes the site's hash into VERSION, the list of its files into FILES and
 * what they contain into HASHES: a version is kept as a whole or not at all, whatever a host delivers while it is being
 * updated. As it lies here, files are asked from the network first. */

const VERSION = 'dev';
const FILES = [
  'index.html', 'app.css', 'later.css', 'search.css', 'manifest.webmanifest', 'whatsit.js', 'models.json',
  'messages/de.json', 'messages/en.json', 'messages/es.json', 'messages/fr.json', 'messages/zh.json',
  'messages/search/de.json', 'messages/search/en.json', 'messages/search/es.json', 'messages/search/fr.json', 'messages/search/zh.json',
  'app/db.js', 'app/describe.js', 'app/dom.js', 'app/early.js', 'app/engine.js', 'app/folders.js', 'app/heads.js', 'app/libraries.js', 'app/local.js', 'app/main.js', 'app/photos.js',
  'app/questions.js', 'app/recent.js', 'app/screen_albums.js', 'app/screen_camera.js', 'app/screen_heads.js', 'app/screen_more.js', 'app/screen_new.js',
  'app/screen_photo.js', 'app/screen_search.js', 'app/screen_teach.js', 'app/share.js', 'app/site.js', 'app/stage.js', 'app/text.js', 'app/words.js',
  'lib/download.js', 'lib/kept.js', 'lib/labels.js', 'lib/list.js', 'lib/modules.js', 'lib/odd.js', 'lib/pixels.js', 'lib/sha256.js', 'lib/sniff.js', 'lib/worker.js', 'lib/zip.js',
  'icons/icon.svg', 'icons/ui.svg',
];
const HASHES = {}; /* path -> the first 16 hexadecimal digits of its SHA-256; a core module's are those of the plain one */
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

const isGzip = (bytes) => bytes[0] === 0x1f && bytes[1] === 0x8b;

/* A packed module is kept unpacked, under its plain name; some hosts pack it once more, or unpack it themselves. */
async function plainBytes(response, isPacked) {
  let bytes = new Uint8Array(await response.arrayBuffer());
  for (let layers = 0; isPacked && layers < 3 && isGzip(bytes); layers++) {
    const stream = new Response(bytes).body.pipeThrough(new DecompressionStream('gzip'));
    bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  }
  return bytes;
}

async function isRight(path, bytes) {
  if (!HASHES[path]) return true;
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return [...digest.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, '0')).join('') === HASHES[path];
}

/* Fails when a file is another version's: the install is tried again at the next visit, and the old version stays. */
async function fetchAll(paths, cacheName, optional = false) {
  const cache = await caches.open(cacheName);
  await Promise.all(paths.map(async (path) => {
    const isPacked = path.endsWith('.gz');
    const name = isPacked ? path.slice(0, -3) : path;
    if (await cache.match(address(name))) return;
    const response = await fetch(address(path), { cache: 'reload' });
    if (!response.ok && !optional) throw new Error(`${path}: HTTP ${response.status}`);
    if (!response.ok) return;
    const bytes = await plainBytes(response, isPacked);
    const right = await isRight(name, bytes);
    if (!right && !optional) throw new Error(`${path}: not of version ${VERSION}`);
    const type = isPacked ? 'application/wasm' : response.headers.get('Content-Type') ?? 'application/octet-stream';
    if (right) await cache.put(address(name), isolated(new Response(bytes, { headers: { 'Content-Type': type } })));
  }));
}

/* The page is kept under the folder's address too, which may be something else to who does not ask for a page. */
async function keepPage() {
  const cache = await caches.open(CACHE);
  await cache.put(SCOPE.href, await cache.match(address('index.html')));
}

/* A folder's name may hold what patterns take for their own. */
const asPattern = (path) => path.replace(/[:*?+(){}\\]/g, '\\$&');

/* What the cache answers without waking this worker, where the browser knows how. */
async function addRoutes(event) {
  if (!event.addRoutes || VERSION === 'dev') return;
  const folders = ['app', 'lib', 'messages', 'icons', 'core', 'try'].map((name) => `${name}/*`);
  const patterns = ['', ...FILES.filter((path) => !path.includes('/')), 'heads/index.json', ...folders];
  await event.addRoutes(patterns.map((path) => ({
    condition: { requestMethod: 'GET', urlPattern: { pathname: asPattern(SCOPE.pathname) + path, search: '' } },
    source: { cacheName: CACHE },
  }))).catch(() => {});
}

self.addEventListener('install', (event) => {
  event.waitUntil((async () => {
    await caches.delete(CACHE); /* what an install that failed left behind */
    await Promise.all([fetchAll(FILES, CACHE), fetchAll(['heads/index.json'], CACHE, true)]);
    await keepPage();
    await addRoutes(event);
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
  const isApp = isCore || url.href.startsWith(address('try/')) || FILES.includes(url.pathname.slice(SCOPE.pathname.length));
  const isPage = request.mode === 'navigate';
  const key = isPage ? address('index.html') : request; /* './' may be something else without a page's Accept */
  if (isPage || isApp) {
    const cached = await caches.match(key, { cacheName: CACHE });
    if (cached && VERSION !== 'dev') return cached;
    try {
      /* what a version lacks comes from the network, and is not kept among its files */
      return VERSION === 'dev' ? await fromNetwork(isPage ? new Request(key) : request, CACHE) : await fetch(request);
    } catch (error) {
      if (cached) return cached;
      throw error;
    }
  }
  /* label lists, head files, what the server lists: new when there is a network, old otherwise */
  if (/\/(heads\/|v1\/(models|heads)(\/[^/]+)?$)/.test(url.pathname) && !url.pathname.includes('/v1/libraries/')) {
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
