/* Every screen, on a small phone, a phone, a tablet and a desktop, light and dark: nothing to scroll sideways, nothing for axe
 * to find; the pictures of it are what docs/WEB.md shows. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { accessible, ask, go, ready, sample, shoot, visit } from './kit.mjs';

const SIZES = { small: [360, 640, true], phone: [390, 844, true], tablet: [820, 1180, true], desktop: [1440, 900, false] };
const ROUTES = ['heads', 'head/weather', 'new', 'teach', 'albums', 'search', 'more', 'about'];

for (const [size, [width, height, isMobile]] of Object.entries(SIZES)) {
  for (const colorScheme of ['light', 'dark']) {
    test(`${size}, ${colorScheme}`, async (t) => {
      const { page } = await visit(t, { browser: { viewport: { width, height }, deviceScaleFactor: 1, hasTouch: isMobile, isMobile, colorScheme,
        permissions: ['camera'], args: ['--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream'] } });
      const look = async (name) => {
        await shoot(page, `${size}-${colorScheme}-${name.replace('/', '-')}`);
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${name} is too wide`);
        await accessible(page, `${size} ${colorScheme} ${name}`);
      };
      await ready(page);
      await page.waitForTimeout(500);
      await look('start');
      await ask(page, sample('hummingbird.jpg'));
      await page.locator('.chip').first().waitFor();
      await page.waitForTimeout(400);
      await look('answer');
      await page.locator('.hero .others summary').click().catch(() => {}); /* a sure answer may have none */
      await page.locator('.chip').filter({ hasNotText: 'Describe it' }).first().click();
      await page.waitForFunction(() => document.querySelectorAll('.card .said').length > 1);
      await look('asked');
      for (const route of ROUTES) {
        await go(page, route);
        await page.locator('#main h1').first().waitFor({ state: 'attached' });
        await page.waitForTimeout(300);
        await look(route);
      }
      await go(page, 'camera');
      await page.locator('.live-panel .said').first().waitFor({ timeout: 60000 });
      await look('camera');
    });
  }
}
