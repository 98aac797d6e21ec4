/* The camera: a picture fed to Chromium's fake device, and a camera that is refused. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { open, PHONE } from './browser.mjs';
import { accessible, ready, sample, shoot, visit } from './kit.mjs';

const toCamera = (page) => page.evaluate(() => (location.hash = '#/camera'));

/* The device wants even sides. */
async function frameOf(photo) {
  const context = await open(PHONE);
  const page = await context.newPage();
  const bytes = await page.evaluate(async (data) => {
    const bitmap = await createImageBitmap(new Blob([new Uint8Array(data)]));
    const canvas = new OffscreenCanvas(320, 240);
    canvas.getContext('2d').drawImage(bitmap, 0, 30, 299, 224, 0, 0, 320, 240);
    return [...new Uint8Array(await (await canvas.convertToBlob({ type: 'image/jpeg', quality: 0.9 })).arrayBuffer())];
  }, [...photo]);
  await context.close();
  return Buffer.from(bytes);
}

test('live answers, and a photo taken from the view', async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'whatsit-camera-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const film = path.join(folder, 'film.mjpeg');
  const frame = await frameOf(await readFile(sample('pizza.jpg')));
  await writeFile(film, Buffer.concat(Array(30).fill(frame)));
  const { page } = await visit(t, { browser: { ...PHONE, permissions: ['camera'], args: ['--use-fake-ui-for-media-stream',
    '--use-fake-device-for-media-stream', `--use-file-for-fake-video-capture=${film}`] } });
  await ready(page);
  await toCamera(page);
  await page.locator('.live .answers li').first().waitFor({ timeout: 60000 });
  await page.locator('.speed[data-rate]').waitFor();
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
  await page.getByText('Choose a photo').waitFor();
});
