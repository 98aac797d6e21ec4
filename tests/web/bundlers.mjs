/* The package in the hands of bundlers: CORE=FOLDER MODEL=FILE node bundlers.mjs. Fetches Vite and webpack from npm into a
 * folder of its own, builds the same page with each without settings, and asks it about a photo. Takes minutes; no test. */
import { execFileSync, spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DESKTOP, open } from './browser.mjs';
import { root, sample } from './kit.mjs';
import { serveSite } from './server.mjs';

const folder = await mkdtemp(path.join(tmpdir(), 'whatsit-bundlers-'));
const run = (command, ...args) => execFileSync(command, args, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
const MAIN = `import { load } from '@whatsit/core';
const out = document.body;
try {
  const whatsit = await load({ model: { url: new URL('nano.gguf', location.href).href } });
  const head = await whatsit.makeHead({ name: 'food', labels: ['pizza', 'dog', 'hamster'] });
  const { answers } = await whatsit.classify(await (await fetch('photo.jpg')).blob(), { heads: head });
  out.textContent = \`RESULT \${answers[0].answers[0].label}, threads \${whatsit.info.threads}\`;
} catch (error) { out.textContent = \`ERROR \${error.name} \${error.code} \${error.message}\`; }
`;
await writeFile(path.join(folder, 'package.json'), '{ "private": true, "type": "module" }');
run('npm', 'install', '--no-audit', '--no-fund', 'vite', 'webpack', 'webpack-cli');
run('python3', path.join(root, 'web/make_package.py'), path.join(folder, 'node_modules/@whatsit/core'), '--core', process.env.CORE);
await mkdir(path.join(folder, 'public'));
await mkdir(path.join(folder, 'src'));
await writeFile(path.join(folder, 'src/main.js'), MAIN);
await writeFile(path.join(folder, 'index.html'), '<!doctype html><script type="module" src="/src/main.js"></script>');
await cp(process.env.MODEL, path.join(folder, 'public/nano.gguf'));
await cp(sample('pizza.jpg'), path.join(folder, 'public/photo.jpg'));

async function ask(what, url) {
  const context = await open(DESKTOP);
  const page = context.pages()[0];
  await page.goto(url);
  await page.getByText(/^(RESULT|ERROR)/).waitFor({ timeout: 60000 }).catch(() => {});
  console.log(`${what}: ${await page.evaluate(() => document.body?.textContent)}`);
  await context.close();
}

run('npx', 'vite', 'build');
const built = await serveSite(path.join(folder, 'dist'));
await ask('vite build', built.url);
await built.close();
const server = spawn('npx', ['vite', '--port', '19196', '--strictPort', '--host', '127.0.0.1'], { cwd: folder, detached: true });
await new Promise((resolve) => server.stdout.on('data', (data) => String(data).includes('19196') && resolve()));
await ask('vite, development', 'http://127.0.0.1:19196/');
process.kill(-server.pid);
run('npx', 'webpack', '--mode', 'production', '--entry', './src/main.js', '--output-path', path.join(folder, 'packed'));
await cp(path.join(folder, 'public'), path.join(folder, 'packed'), { recursive: true });
await writeFile(path.join(folder, 'packed/index.html'), '<!doctype html><script src="main.js" defer></script>');
const packed = await serveSite(path.join(folder, 'packed'));
await ask('webpack', packed.url);
await packed.close();
await rm(folder, { recursive: true, force: true });
