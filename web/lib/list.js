/* Label lists (heads/README.md): reading and writing the plain text from which heads are made. */

const KEYS = ['name', 'title', 'source', 'licence', 'group', 'sensitivity'];

/* A line "[animals]" puts the labels below it into that group, "[]" into none. */
export const groupOf = (line) => /^\[([^"'{}]*)\]$/.exec(line)?.[1].trim();

/* { name, title, source, licence, group, sensitivity, labels, groups, templates }: groups has each label's. */
export function parseList(text) {
  const list = { labels: [], groups: [], templates: [] };
  let group = '';
  for (const key of KEYS) list[key] = '';
  const seen = new Set();
  for (const raw of text.replace(/^\uFEFF/, '').split(/\r?\n/)) {
    const line = raw.split('\t')[0].trim();
    if (line.startsWith('#')) {
      const match = list.labels.length === 0 && /^#\s*([a-z]+):\s*(.*)$/.exec(line);
      if (match && match[1] === 'template') list.templates.push(match[2]);
      else if (match && KEYS.includes(match[1])) list[match[1]] = match[2];
    } else if (groupOf(line) !== undefined) {
      group = groupOf(line);
    } else if (line) {
      const first = line.split('|')[0].trim();
      if (first && !seen.has(first)) {
        seen.add(first);
        list.labels.push(line);
        list.groups.push(group);
      }
    }
  }
  return list;
}

const oneLine = (value) => String(value ?? '').replace(/[\r\n\t]+/g, ' ').trim();

export function writeList(recipe) {
  const lines = [];
  for (const key of KEYS) if (recipe[key]) lines.push(`# ${key}: ${oneLine(recipe[key])}`);
  for (const template of recipe.templates ?? []) lines.push(`# template: ${oneLine(template)}`);
  lines.push('');
  let group = '';
  for (const [index, label] of recipe.labels.entries()) {
    const line = oneLine(label), its = oneLine(recipe.groups?.[index]);
    if (its !== group) lines.push(`[${its}]`);
    group = its;
    if (line) lines.push(line.startsWith('#') ? line.replace(/^#+\s*/, '') : line);
  }
  return lines.join('\n') + '\n';
}

export const firstName = (label) => label.split('|')[0];
