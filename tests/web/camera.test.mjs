/* The camera: a picture fed to Chromium's fake device, and a camera that is refused. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import { PHONE } from './browser.mjs';
import { accessible, cameraOf, ready, sample, shoot, visit } from './kit.mjs';

const toCamera = (page) => page.evaluate(() => (location.hash = '#/camera'));

test('live answers, and a photo taken from the view', async (t) => {
  const { page } = await visit(t, { browser: { ...PHONE, ...(await cameraOf((work) => t.after(work), sample('pizza.jpg'))) } });
  await ready(page);
  await toCamera(page);
  await page.locator('.live-panel .said').first().waitFor({ timeout: 60000 });
  await page.locator('.speed[data-rate]').waitFor({ state: 'attached' });
  await page.waitForTimeout(4000);
  const rate = Number(await page.locator('.speed').getAttribute('data-rate'));
  console.log(`camera: ${rate} answers a second`);
  assert.ok(rate > 0);
  await shoot(page, 'phone-camera');
  await accessible(page, 'camera');
  const light = await page.evaluate(() => {
    const context = new OffscreenCanvas(1, 1).getContext('2d');
    context.drawImage(document.querySelector('video'), 0, 0, 1, 1);
    return Math.max(...context.getImageData(0, 0, 1, 1).data.slice(0, 3));
  });
  assert.ok(light > 20, 'the view is dark');
  const live = await page.locator('.live .answer-label').first().innerText();
  await page.getByRole('button', { name: 'Take photo' }).click();
  await page.locator('.card .answers li').first().waitFor();
  assert.equal(await page.locator('.card .answer-label').first().innerText(), live);
  assert.equal(await page.locator('video').count(), 0);
});

test('a refused camera is explained, and a photo can be chosen instead', async (t) => {
  const { page } = await visit(t, { browser: { ...PHONE, args: ['--use-fake-device-for-media-stream', '--deny-permission-prompts'] } });
  await toCamera(page);
  await ready(page);
  await page.getByText('This page may not use the camera.').waitFor();
  await shoot(page, 'phone-camera-refused');
  await accessible(page, 'camera refused');
  await page.locator('.refusal').getByText('Choose a photo').waitFor();
});

const FAKE = ['--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream'];
const withTracks = () => {
  const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  globalThis.tracks = [];
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    const stream = await real(wanted);
    globalThis.tracks.push(...stream.getTracks());
    return stream;
  };
};
const live = (page) => page.evaluate(() => globalThis.tracks.filter((one) => one.readyState === 'live').length);

test('turned twice quickly, left, hidden: never more than one camera is on, and none when nobody looks', async (t) => {
  const { page, site } = await visit(t, { go: false, browser: { ...PHONE, permissions: ['camera'], args: FAKE } });
  await page.addInitScript(withTracks);
  await page.goto(site.url);
  await ready(page);
  await toCamera(page);
  await page.locator('.live-panel .said').first().waitFor({ timeout: 60000 });
  await page.evaluate(() => {
    const turn = [...document.querySelectorAll('.camera-row button')].find((one) => one.textContent === 'Turn');
    turn.click();
    turn.click();
  });
  await page.locator('.live-panel .said').first().waitFor({ timeout: 60000 });
  await page.waitForTimeout(1500);
  assert.equal(await live(page), 1);
  await page.locator('#tabs a').first().evaluate((link) => link.click());
  await page.locator('video').waitFor({ state: 'detached' });
  assert.equal(await live(page), 0);
});

test('a camera that is taken away is said, and can be started again', async (t) => {
  const { page, site } = await visit(t, { go: false, browser: { ...PHONE, permissions: ['camera'], args: FAKE } });
  await page.addInitScript(withTracks);
  await page.goto(site.url);
  await ready(page);
  await toCamera(page);
  await page.locator('.live-panel .said').first().waitFor({ timeout: 60000 });
  await page.evaluate(() => {
    for (const track of globalThis.tracks) {
      track.stop();
      track.dispatchEvent(new Event('ended'));
    }
  });
  await page.getByText('The camera stopped').waitFor();
  await shoot(page, 'phone-camera-stopped');
  await accessible(page, 'camera stopped');
  assert.equal(await live(page), 0);
  await page.getByRole('button', { name: 'Start it again' }).click();
  await page.locator('.live-panel .said').first().waitFor({ timeout: 60000 });
});

test('full bleed and a square, in every orientation: what is drawn is what the model sees', async (t) => {
  const { page } = await visit(t, { browser: { ...PHONE, permissions: ['camera'], args: FAKE } });
  await ready(page);
  await toCamera(page);
  await page.locator('.live-panel .said').first().waitFor({ timeout: 60000 });
  for (const [width, height] of [[390, 844], [844, 390], [820, 1180], [1440, 900]]) {
    await page.setViewportSize({ width, height });
    await page.waitForTimeout(300);
    const { video, square } = await page.evaluate(() => Object.fromEntries(['video', 'square'].map((name) => [name, document.querySelector(`.${name}`).getBoundingClientRect().toJSON()])));
    assert.ok(video.width === width && video.height > height * 0.8, JSON.stringify(video));
    assert.ok(Math.abs(square.width - square.height) < 1 && Math.abs(square.width - Math.min(video.width, video.height)) < 1, JSON.stringify(square));
    await shoot(page, `camera-${width}x${height}`);
  }
});

/* The label stands still while the scene does: no other one for a moment's flicker, another when the scene is another. */
test('answers over time are steady', async () => {
  const source = (await readFile(new URL('../../web/app/screen_camera.js', import.meta.url), 'utf8')).replace(/^import .*\n/gm, '').replace(/^/, 'const certaintyOf = () => "probably";\n');
  const { makeSteady } = await import(`data:text/javascript,${encodeURIComponent(source)}`);
  const steady = makeSteady();
  const frame = (a, b) => ({ verdict: { certainty: 'probably', name: '', label: 0 }, answers: [{ label: 'cat', score: a }, { label: 'dog', score: b }].sort((x, y) => y.score - x.score) });
  const labels = new Set();
  let now = 1000;
  for (let i = 0; i < 60; i++, now += 60) labels.add(steady(i % 3 === 1 ? frame(0.3, 0.5) : frame(0.6, 0.3), now).answers[0].label);
  assert.deepEqual([...labels], ['cat']);
  let last;
  for (let i = 0; i < 40; i++, now += 60) last = steady(frame(0.1, 0.8), now).answers[0];
  assert.equal(last.label, 'dog');
  assert.ok(last.score > 0.7);
});
