/* What the host offers: a model and label lists. A static host has models.json and heads/index.json
 * (web/make_site.py writes them); `whatsit serve` answers under v1/. */

const root = new URL('../', import.meta.url);
export const at = (path) => new URL(path, root).href;

async function json(path) {
  try {
    const response = await fetch(at(path), { headers: { Accept: 'application/json' } });
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}

const found = (one) => one && { ...one, url: at(one.url), describer: found(one.describer) };

/* [{ name, url, sha256, n_bytes, describer }]: the models of the host, the one to begin with first, each with what describes in
 * words what it sees, if there is one. */
export async function findModels() {
  const own = (await json('models.json'))?.models;
  if (own?.length) return own.map(found);
  const served = (await json('v1/models'))?.data?.filter((model) => model.file) ?? [];
  served.sort((a, b) => Number(Boolean(b.default)) - Number(Boolean(a.default)));
  return served.map(({ id, file: { url, sha256, n_bytes } }) => ({ name: id, url: new URL(url, root).href, sha256, n_bytes, served: true }));
}

/* { heads: [{ name, title, group, n_labels, ... }], everyday, everyday_of: { model: head } } */
export async function findHeads() {
  const own = await json('heads/index.json');
  if (own?.heads?.length) return own;
  const served = (await json('v1/heads'))?.heads ?? [];
  const heads = served.map(({ name, n_labels }) => ({
    name, title: name, group: 'server', n_labels: n_labels ?? 0, served: true,
  }));
  return { heads, everyday: heads.some((head) => head.name === 'nouns') ? 'nouns' : heads[0]?.name };
}

export async function listText(name) {
  const response = await fetch(at(`heads/${encodeURIComponent(name)}.txt`));
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return response.text();
}

export async function fileAt(path) {
  const response = await fetch(at(path));
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

/* ---- the server makes what this device cannot ---- */

const headPath = (name) => `v1/heads/${encodeURIComponent(name)}`;

export async function servedHead(name) {
  const response = await fetch(at(headPath(name)), { headers: { Accept: 'application/json' } });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  const head = await response.json();
  return { ...head, labels: head.labels.map((one) => one.label ?? one),
    groups: head.labels.map((one) => one.group ?? '') };
}

export const servedFile = (name) => fileAt(`${headPath(name)}?format=safetensors`);

async function answerOf(response) {
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new Error(body?.error?.message ?? body?.message ?? `HTTP ${response.status}`);
  return body;
}

/* Asks the server for a head from words; gives the file. */
export async function makeOnServer(recipe, { onprogress, signal }) {
  const { name, templates, multi } = recipe;
  const labels = recipe.labels.map((label, index) => ({ label, group: recipe.groups?.[index] ?? '' }));
  const body = JSON.stringify({ name, labels, templates, multi, replace: true });
  const headers = { 'Content-Type': 'application/json' };
  const response = await fetch(at('v1/heads'), { method: 'POST', headers, body, signal });
  let job = await answerOf(response);
  while (response.status === 202 && !['done', 'failed', 'cancelled'].includes(job.state ?? job.status)) {
    await new Promise((resolve) => setTimeout(resolve, 300));
    job = await answerOf(await fetch(at(`v1/jobs/${job.id}`), { signal }));
    onprogress?.({ done: job.done ?? 0, total: job.total ?? 0 });
  }
  if (['failed', 'cancelled'].includes(job.state ?? job.status)) {
    throw new Error(job.error?.message ?? job.message ?? 'failed');
  }
  return servedFile(name);
}
