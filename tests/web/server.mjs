/* Hosts for the tests: `whatsit serve`, and a static one with the headers that `whatsit serve` gives, byte ranges, and the mishaps
 * of networks on request. It keeps a list of what was asked. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createReadStream, promises as fs } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import { createInterface } from 'node:readline';

const TYPES = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8', '.json': 'application/json', '.webmanifest': 'application/manifest+json',
  '.wasm': 'application/wasm', '.svg': 'image/svg+xml', '.png': 'image/png', '.txt': 'text/plain; charset=utf-8',
};
export const CSP = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob: data:; " +
  "media-src 'self' blob:; worker-src 'self' blob:; connect-src 'self'; object-src 'none'; base-uri 'none'; " +
  "form-action 'none'; frame-ancestors 'none'";

function rangeOf(request, size) {
  const match = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  if (!match) return null;
  return [Number(match[1]), match[2] ? Number(match[2]) : size - 1];
}

/* { url, asked: [{ path, range, bytes }], trouble: { cutModelAfter, down, slowModelMs }, close() }
 * base: the folder it lies in. ranges, csp: what the host allows. missing: a file in place of what is not there.
 * pack: NAME.gz is delivered for NAME, as nginx and `whatsit serve` do. isolate: false leaves the isolation headers out, as plain static hosts do. */
export async function serveSite(folder, { isolate = true, port = 0, pack = false, base = '/', ranges = true, csp = CSP, missing } = {}) {
  const site = { folder, asked: [], trouble: {} };
  const answer = async (request, response) => {
    const url = new URL(request.url, 'http://localhost');
    const asked = decodeURIComponent(url.pathname);
    const within = asked.startsWith(base) ? `/${asked.slice(base.length)}` : '/nothing';
    let file = path.join(site.folder, path.normalize(within === '/' ? '/index.html' : within));
    const record = { path: url.pathname, range: request.headers.range, bytes: 0 };
    site.asked.push(record);
    if (site.trouble.down) return request.socket.destroy();
    const packed = pack && !request.headers.range && /gzip/.test(request.headers['accept-encoding'] ?? '') && !file.endsWith('.gz')
      ? await fs.stat(`${file}.gz`).catch(() => null) : null;
    let stat = packed ?? (file.startsWith(site.folder) ? await fs.stat(file).catch(() => null) : null);
    if (!stat?.isFile() && missing) {
      file = path.join(site.folder, missing);
      stat = await fs.stat(file);
    }
    if (!stat?.isFile()) return response.writeHead(404).end('not found');
    const headers = {
      'Content-Type': TYPES[path.extname(file)] ?? 'application/octet-stream', 'Cache-Control': 'no-cache',
      ETag: `"${stat.size}-${stat.mtimeMs}"`, 'Content-Security-Policy': csp,
      'X-Content-Type-Options': 'nosniff',
    };
    if (ranges) headers['Accept-Ranges'] = 'bytes';
    if (packed) Object.assign(headers, { 'Content-Encoding': 'gzip', Vary: 'Accept-Encoding' });
    if (isolate) {
      headers['Cross-Origin-Opener-Policy'] = 'same-origin';
      headers['Cross-Origin-Embedder-Policy'] = 'require-corp';
    }
    if (request.headers['if-none-match'] === headers.ETag) return response.writeHead(304, headers).end();
    const range = ranges ? rangeOf(request, stat.size) : null;
    const [from, to] = range ?? [0, stat.size - 1];
    headers['Content-Length'] = String(to - from + 1);
    if (range) headers['Content-Range'] = `bytes ${from}-${to}/${stat.size}`;
    response.writeHead(range ? 206 : 200, headers);
    if (request.method === 'HEAD') return response.end();
    const isModel = url.pathname.endsWith('.gguf');
    const cut = isModel ? site.trouble.cutModelAfter : undefined;
    const stream = to < from ? [] : createReadStream(packed ? `${file}.gz` : file, { start: from, end: to });
    for await (const part of stream) {
      if (cut !== undefined && from + record.bytes + part.length > cut) return request.socket.destroy();
      record.bytes += part.length;
      response.write(part);
      if (isModel && site.trouble.slowModelMs) await new Promise((resolve) => setTimeout(resolve, site.trouble.slowModelMs).unref());
    }
    response.end();
  };
  const server = createServer((request, response) => answer(request, response).catch(() => request.socket.destroy()));
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  site.url = `http://localhost:${server.address().port}${base.split('/').map(encodeURIComponent).join('/')}`;
  site.close = () => new Promise((resolve) => {
    server.closeAllConnections();
    server.close(resolve);
  });
  return site;
}

/* `whatsit serve` with these options, on a port of its own: { url, close }, as the static host's. */
export async function serveWhatsit(options, env = process.env) {
  const server = spawn(process.env.WHATSIT, ['serve', '--listen', '127.0.0.1:0', '--model', process.env.WHATSIT_TEST_MODEL, ...options],
    { env, stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = new Promise((resolve) => server.on('exit', resolve));
  const said = [];
  let url;
  for await (const line of createInterface({ input: server.stderr })) {
    said.push(line);
    url = /http:\/\/[\w.:[\]]+/.exec(line)?.[0];
    if (url) break;
  }
  assert.ok(url, said.join('\n'));
  server.stderr.resume();
  return { url: `${url}/`, close: () => server.kill() && ended };
}
