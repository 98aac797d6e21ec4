/* Where a model file lies in this browser's private file system (lib/download.js writes it there). */

/* A file is known by its hash, or by its address where no hash is given. */
export const keptName = (source, nBytes) => `${source.sha256 ?? encodeURIComponent(source.url).slice(-200)}-${nBytes}`;

const root = async () => navigator.storage.getDirectory(); /* not there, or refused: a rejection */

/* Something of this model is there: a download was allowed before. */
export const isKept = (source) => root()
  .then((one) => one.getDirectoryHandle('models'))
  .then((models) => models.getFileHandle(keptName(source, source.n_bytes)))
  .then(async (file) => (await file.getFile()).size > 0)
  .catch(() => false);

export const forgetKept = () => root().then((one) => one.removeEntry('models', { recursive: true })).catch(() => {});

export async function forgetOne(source) {
  const models = await root().then((one) => one.getDirectoryHandle('models')).catch(() => null);
  const name = keptName(source, source.n_bytes);
  for (const one of [name, `${name}.checked`]) await models?.removeEntry(one).catch(() => {});
}
