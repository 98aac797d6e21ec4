/* How long a user waits, on loopback: WHATSIT_SITE=FOLDER node bench.mjs [RUNS] */
import { open, PHONE } from './browser.mjs';
import { sample } from './kit.mjs';
import { serveSite } from './server.mjs';

const runs = Number(process.argv[2] ?? 3);
const median = (list) => list.sort((a, b) => a - b)[list.length >> 1];

async function answer(page, url) {
  const start = performance.now();
  await page.goto(url);
  await page.locator('input[type=file]').first().setInputFiles(sample('daisy.jpg'));
  await page.locator('.card .answers li').first().waitFor({ timeout: 60000 });
  return performance.now() - start;
}

const cold = [], warm = [], encode = [];
for (let i = 0; i < runs; i++) {
  const site = await serveSite(process.env.WHATSIT_SITE);
  const context = await open(PHONE);
  const page = context.pages()[0] ?? (await context.newPage());
  cold.push(await answer(page, site.url));
  await page.waitForTimeout(1500);
  await page.goto('about:blank');
  warm.push(await answer(page, site.url));
  encode.push(await page.evaluate(async (base) => {
    const { load } = await import(`${base}whatsit.js`);
    const { models: [model] } = await (await fetch(`${base}models.json`)).json();
    const whatsit = await load({ model: { ...model, url: base + model.url }, threads: 1 });
    const image = new ImageData(299, 299);
    const times = [];
    for (let k = 0; k < 9; k++) times.push((await whatsit.classify(image)).ms.encode);
    whatsit.close();
    return times.sort((a, b) => a - b)[4];
  }, site.url));
  await context.close();
  await site.close();
}
console.log(`first visit ${Math.round(median(cold))} ms, later visit ${Math.round(median(warm))} ms, ` +
  `one thread ${median(encode).toFixed(1)} ms a picture (medians of ${runs})`);
