/* What page auditors look for, checked here without a network and without a clock: can it be installed, does it need the
 * network, what does a first visit cost, does anything jump, is it sound, does it fit. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { DESKTOP, PHONE } from './browser.mjs';
import { accessible, ask, keptForOffline, ready, sample, shoot, SITE, visit } from './kit.mjs';

const ROUTES = ['photo', 'heads', 'head/weather', 'new', 'teach', 'albums', 'more', 'about'];
const goTo = async (page, route) => {
  await page.evaluate((hash) => (location.hash = hash), `#/${route}`);
  await page.locator('#main h1').first().waitFor({ state: 'attached' });
  await page.waitForTimeout(300);
};

/* Width and height of a PNG stand in its first chunk. */
function sizeOfPng(file) {
  const bytes = readFileSync(path.join(SITE, file));
  assert.equal(bytes.subarray(1, 4).toString(), 'PNG', file);
  return `${bytes.readUInt32BE(16)}x${bytes.readUInt32BE(20)}`;
}

test('installable: the manifest, its icons, the browser has no objection, and it starts without a network', async (t) => {
  const manifest = JSON.parse(readFileSync(path.join(SITE, 'manifest.webmanifest'), 'utf8'));
  for (const key of ['name', 'short_name', 'description', 'start_url', 'scope', 'display', 'background_color', 'theme_color']) {
    assert.ok(manifest[key], key);
  }
  assert.ok(manifest.short_name.length <= 12);
  assert.equal(manifest.display, 'standalone');
  const pngs = manifest.icons.filter((icon) => icon.type === 'image/png');
  for (const icon of pngs) assert.equal(sizeOfPng(icon.src), icon.sizes);
  assert.ok(['192x192', '512x512'].every((size) => pngs.some((icon) => icon.sizes === size && !icon.purpose)));
  assert.ok(pngs.some((icon) => icon.purpose === 'maskable'));
  const { site, page, context } = await visit(t, { allow: (fault) => fault.includes('Failed to fetch') });
  await ready(page);
  await keptForOffline(page);
  const session = await context.newCDPSession(page);
  const { errors } = await session.send('Page.getAppManifest');
  assert.deepEqual(errors, []);
  const { installabilityErrors } = await session.send('Page.getInstallabilityErrors');
  assert.deepEqual(installabilityErrors.filter((one) => !/in-incognito/.test(one.errorId)), []);
  site.trouble.down = true;
  await page.goto('about:blank');
  const start = await page.goto(new URL(manifest.start_url, site.url).href);
  assert.equal(start.status(), 200);
  await ready(page);
});

test('a first visit: little is needed before something is seen, and it can be used before the model is there', async (t) => {
  const { site, page } = await visit(t, { go: false });
  site.trouble.slowModelMs = 1e6;
  await page.addInitScript(() => {
    globalThis.shifts = [];
    new PerformanceObserver((list) => globalThis.shifts.push(...list.getEntries().filter((one) => !one.hadRecentInput)
      .map(({ value, sources }) => ({ value, what: sources.map((one) => one.node?.outerHTML?.slice(0, 80)) }))))
      .observe({ type: 'layout-shift', buffered: true });
  });
  await page.goto(site.url);
  await page.getByText('Choose a photo').waitFor();
  await page.locator('.model-text').filter({ hasText: /Downloading/ }).waitFor();
  const paint = await page.evaluate(() => performance.getEntriesByType('paint').map((one) => one.name));
  assert.ok(paint.includes('first-contentful-paint'));
  const blocking = await page.evaluate(() => performance.getEntriesByType('resource')
    .filter((one) => one.renderBlockingStatus === 'blocking').map((one) => [new URL(one.name).pathname, one.decodedBodySize]));
  assert.deepEqual(blocking.map(([name]) => name).sort(), ['/app.css', '/app/early.js']);
  assert.ok(blocking.reduce((sum, [, size]) => sum + size, 0) < 20e3, JSON.stringify(blocking));
  assert.ok(await page.evaluate(() => document.querySelectorAll('*').length) < 300);
  /* the first photo is chosen while the model comes, and waits for it */
  await page.locator('input[type=file]').first().setInputFiles(sample('pizza.jpg'));
  await page.getByText('The photo waits for the model.').waitFor();
  const shifts = await page.evaluate(() => globalThis.shifts);
  assert.ok(shifts.reduce((sum, one) => sum + one.value, 0) < 0.1, JSON.stringify(shifts));
});

test('sound: nothing on the console, no finding of the browser, the head of the page', async (t) => {
  const { site, page, context } = await visit(t, { go: false });
  const findings = [];
  page.on('console', (message) => /error|warning/.test(message.type()) && findings.push(message.text()));
  const session = await context.newCDPSession(page);
  session.on('Audits.issueAdded', ({ issue }) => findings.push(JSON.stringify(issue)));
  await session.send('Audits.enable');
  const response = await page.goto(site.url);
  await ready(page);
  await ask(page, sample('daisy.jpg'));
  for (const route of ROUTES) await goTo(page, route);
  const head = await page.evaluate(() => ({
    lang: document.documentElement.lang, title: document.title, mode: document.compatMode, charset: document.characterSet,
    description: document.querySelector('meta[name=description]')?.content, isolated: crossOriginIsolated,
    zoom: document.querySelector('meta[name=viewport]').content, secure: isSecureContext,
    unsized: [...document.images].filter((image) => !image.complete || image.naturalWidth === 0).map((image) => image.src),
  }));
  assert.match(head.title, /whatsit/);
  assert.match(head.description, /\w+/);
  assert.doesNotMatch(head.zoom, /user-scalable|maximum-scale/);
  assert.deepEqual([head.lang, head.mode, head.charset, head.isolated, head.secure, head.unsized], ['en', 'CSS1Compat', 'UTF-8', true, true, []]);
  assert.match(response.headers()['content-security-policy'], /default-src 'self'/);
  assert.deepEqual(findings, []);
});

/* 320 px is what WCAG 1.4.10 asks for, and what 1280 px at 400 % are. */
for (const [name, width] of [['390 px', 390], ['320 px', 320]]) {
  test(`every screen fits ${name}: nothing to scroll sideways but rows made for it, nothing cut off`, async (t) => {
    const { page } = await visit(t, { browser: { ...PHONE, viewport: { width, height: 844 }, colorScheme: 'dark' } });
    await ready(page);
    await ask(page, sample('lighthouse.jpg'));
    for (const route of ROUTES) {
      await goTo(page, route);
      const wide = await page.evaluate(() => {
        const fits = (box) => box.right <= innerWidth + 1 && box.left >= -1;
        /* a row that is pushed sideways by itself, and lies on the screen */
        const inRow = (one) => {
          for (let row = one.parentElement; row; row = row.parentElement) {
            if (['auto', 'scroll'].includes(getComputedStyle(row).overflowX) && row.scrollWidth > row.clientWidth) return fits(row.getBoundingClientRect());
          }
          return false;
        };
        return [...document.querySelectorAll('#main *, header *')].filter((one) => {
          const box = one.getBoundingClientRect();
          return box.width > 1 && !fits(box) && !one.closest('.unseen, .stage') && !inRow(one);
        }).map((one) => one.outerHTML.slice(0, 100));
      });
      assert.deepEqual(wide, [], route);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), route);
      await shoot(page, `dark-${width}-${route.replace('/', '-')}`);
      if (width === 390) await accessible(page, `${route}, dark phone`);
    }
  });
}

test('without a mouse or motion: reduced motion, forced colours, a keyboard on a desktop', async (t) => {
  const { page } = await visit(t, { browser: { ...DESKTOP, reducedMotion: 'reduce', forcedColors: 'active' } });
  await ready(page);
  await page.getByRole('link', { name: 'Use the camera' }).waitFor();
  await ask(page, sample('daisy.jpg'));
  const moving = await page.evaluate(() => document.getAnimations().length);
  assert.equal(moving, 0);
  await accessible(page, 'forced colours');
});
