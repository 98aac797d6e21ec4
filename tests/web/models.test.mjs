/* Several models on one site: chosen, switched in place, kept, removed. They are small ones with random weights, of different widths. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { accessible, ask, entries, go, ready, root, sample, shoot, visit } from './kit.mjs';

const { WHATSIT, CORE } = process.env;
const PX = 32, PATCH = 16, WIDTH = 64, VOCABULARY = 49408, CONTEXT = 77;

/* What a CLIP of the Hugging Face layout has, one layer in each tower: [name, shape, spread]. */
function* tensors(dim) {
  yield ['vision_model.embeddings.class_embedding', [WIDTH], 0.1];
  yield ['vision_model.embeddings.patch_embedding.weight', [WIDTH, 3, PATCH, PATCH], 0.04];
  yield ['vision_model.embeddings.position_embedding.weight', [(PX / PATCH) ** 2 + 1, WIDTH], 0.02];
  yield ['text_model.embeddings.token_embedding.weight', [VOCABULARY, WIDTH], 0.04];
  yield ['text_model.embeddings.position_embedding.weight', [CONTEXT, WIDTH], 0.02];
  for (const norm of ['vision_model.pre_layrnorm', 'vision_model.post_layernorm', 'text_model.final_layer_norm']) {
    yield [`${norm}.weight`, [WIDTH], 0];
    yield [`${norm}.bias`, [WIDTH], 0.02];
  }
  for (const tower of ['vision_model', 'text_model']) {
    const layer = `${tower}.encoder.layers.0.`;
    for (const norm of ['layer_norm1', 'layer_norm2']) {
      yield [`${layer}${norm}.weight`, [WIDTH], 0];
      yield [`${layer}${norm}.bias`, [WIDTH], 0.02];
    }
    for (const part of ['q_proj', 'k_proj', 'v_proj', 'out_proj']) {
      yield [`${layer}self_attn.${part}.weight`, [WIDTH, WIDTH], 0.12];
      yield [`${layer}self_attn.${part}.bias`, [WIDTH], 0.02];
    }
    for (const [part, shape] of [['fc1', [4 * WIDTH, WIDTH]], ['fc2', [WIDTH, 4 * WIDTH]]]) {
      yield [`${layer}mlp.${part}.weight`, shape, 0.1];
      yield [`${layer}mlp.${part}.bias`, [shape[0]], 0.02];
    }
  }
  yield ['visual_projection.weight', [dim, WIDTH], 0.12];
  yield ['text_projection.weight', [dim, WIDTH], 0.12];
  yield ['logit_scale', [], null];
}

async function makeModel(folder, name, dim) {
  let seed = dim, at = 0;
  const random = () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 2 ** 31 - 1;
  const header = {}, parts = [];
  for (const [tensor, shape, spread] of tensors(dim)) {
    const values = Float32Array.from({ length: shape.reduce((n, m) => n * m, 1) }, () => (spread === null ? 3 : spread === 0 ? 1 : 1.7 * spread * random()));
    header[tensor] = { dtype: 'F32', shape, data_offsets: [at, at += values.byteLength] };
    parts.push(Buffer.from(values.buffer));
  }
  const text = JSON.stringify(header), size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  const tower = { hidden_size: WIDTH, intermediate_size: 4 * WIDTH, num_hidden_layers: 1, num_attention_heads: 1, projection_dim: dim };
  const from = await mkdtemp(path.join(folder, 'hf-'));
  await writeFile(path.join(from, 'model.safetensors'), Buffer.concat([size, Buffer.from(text), ...parts]));
  await writeFile(path.join(from, 'config.json'), JSON.stringify({ architectures: ['CLIPModel'], model_type: 'clip', projection_dim: dim, text_config: tower,
    vision_config: { ...tower, image_size: PX, patch_size: PATCH } }));
  await writeFile(path.join(from, 'preprocessor_config.json'), JSON.stringify({ crop_size: PX, do_center_crop: true, do_normalize: true, do_resize: true,
    image_mean: [0.5, 0.5, 0.5], image_std: [0.25, 0.25, 0.25], resample: 3, size: PX }));
  const file = path.join(folder, `${name}.gguf`);
  execFileSync(WHATSIT, ['model', 'convert', from, '-o', file, '--type', 'int8', '--quiet']);
  return file;
}

async function makeSite(t) {
  const folder = await mkdtemp(path.join(tmpdir(), 'whatsit-models-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const models = [await makeModel(folder, 'small', 32), await makeModel(folder, 'wider', 48)];
  const list = path.join(folder, 'everyday.txt');
  await writeFile(list, '# title: Everyday things\npizza\nlighthouse\nspider\ndrum\n');
  const site = path.join(folder, 'site');
  execFileSync('python3', [path.join(root, 'web/make_site.py'), site, '--core', CORE, '--everyday', list, ...models.flatMap((model) => ['--model', model])]);
  return site;
}

const row = (page, name) => page.locator('.model-row').filter({ hasText: name });
const fetched = (site, name) => site.asked.filter((one) => one.path.includes(`/${name}-`) && one.bytes > 0).length;

test('models: chosen, switched in place, kept, removed', async (t) => {
  const { page, site } = await visit(t, { site: { folder: await makeSite(t) } });
  /* waits until a card answers as it did (or does not any more) */
  const turned = (n, was, same = false) => page.waitForFunction(([at, text, isSame]) => {
    const card = document.querySelectorAll('.card')[at];
    const now = card?.querySelector('.said') && !card.querySelector('.bad') ? [...card.querySelectorAll('.answers li')].map((one) => one.textContent).join() : '';
    return now !== '' && (now === text) === isSame;
  }, [n, was, same]);
  const shares = async (n) => (await page.locator('.card').nth(n).locator('.answers li').allTextContents()).join();
  const use = async (name, button) => {
    await go(page, 'more');
    await row(page, name).getByRole('button', { name: button }).click();
    await page.waitForFunction(() => location.hash === '#/photo');
    await ready(page);
  };
  await ready(page);
  await ask(page, sample('pizza.jpg'));
  const first = await shares(0);
  await go(page, 'new');
  await page.getByLabel('Labels').fill('red, green, blue');
  await page.getByLabel('Name').fill('mine');
  await page.getByRole('button', { name: 'Make it' }).click();
  await page.waitForFunction(() => document.querySelectorAll('.card .said').length === 2);
  const mine = await shares(1);
  await go(page, 'more');
  await row(page, 'small').getByText('in use').waitFor();
  assert.match(await row(page, 'wider').innerText(), /\d MB/);
  assert.equal(fetched(site, 'wider'), 0, 'nothing comes unasked');
  await shoot(page, 'phone-models');
  await accessible(page, 'models');

  /* the photo on the screen is asked again, and so is the list of one's own: both are another model's now */
  await use('wider', /^Download, \d/);
  await turned(0, first);
  await turned(1, mine);
  assert.equal(fetched(site, 'wider'), 1);

  /* back, and at the next visit: from what is kept */
  await use('small', 'Use it');
  await turned(0, first, true);
  await turned(1, mine, true);
  await use('wider', 'Use it');
  await page.reload();
  await ready(page);
  await go(page, 'more');
  await row(page, 'wider').getByText('in use').waitFor();
  assert.deepEqual([fetched(site, 'small'), fetched(site, 'wider')], [1, 1]);

  /* the one that is not in use, then the one that is: neither comes back unasked */
  const remove = async (name) => {
    await row(page, name).getByRole('button', { name: 'Remove the model' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Remove', exact: true }).click();
  };
  await remove('small');
  await row(page, 'small').getByRole('button', { name: /^Download, \d/ }).waitFor();
  await remove('wider');
  await page.getByText(/The model wider is needed once/).waitFor();
  assert.equal(await page.evaluate(async () => {
    const names = [];
    for await (const name of (await (await navigator.storage.getDirectory()).getDirectoryHandle('models')).keys()) names.push(name);
    return names.join();
  }), '');
  assert.deepEqual([fetched(site, 'small'), fetched(site, 'wider')], [1, 1]);
  await use('small', /^Download, \d/);
  await ask(page, sample('pizza.jpg'));
  assert.equal(await shares(0), first);
  await entries(page, 2);
});
