/* Label lists (heads/README.md): reading and writing the plain text from which heads are made, and reading what people paste. */

const KEYS = ['name', 'title', 'source', 'licence', 'group', 'sensitivity'];

/* A line "[animals]" puts the labels below it into that group, "[]" into none. */
const groupOf = (line) => /^\[([^"'{}]*)\]$/.exec(line)?.[1].trim();

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

/* ---- what people paste ---- */

/* One line of comma-separated values: what stands in quotes is one value, with "" for a quote in it. */
function splitLine(line, comma) {
  const values = [];
  let at = 0;
  while (at <= line.length) {
    const quoted = /^\s*"((?:[^"]|"")*)"\s*/.exec(line.slice(at));
    if (quoted && [comma, undefined].includes(line[at + quoted[0].length])) {
      values.push(quoted[1].replaceAll('""', '"'));
      at += quoted[0].length + 1;
    } else {
      const end = line.indexOf(comma, at);
      values.push(line.slice(at, end < 0 ? undefined : end));
      at = end < 0 ? line.length + 1 : end + 1;
    }
  }
  return values;
}

const BULLET = /^(?:[-*+]\s*\[[ xX]\]|\[[ xX]\]|[-*+•‣◦▪·–—])\s+/u;
const NUMBER = /^\(?(?:\d{1,4}|[a-z])[.):](?:\s+|$)/;

/* The marks of a list are taken off only where all lines carry them: "3. Liga" alone is a name. */
function withoutMarks(lines) {
  const labels = lines.filter((line) => line && groupOf(line) === undefined);
  for (const mark of [BULLET, NUMBER]) {
    if (labels.length > 1 && labels.every((line) => mark.test(line))) return lines.map((line) => line.replace(mark, ''));
  }
  const isMarked = (line) => BULLET.test(line) || NUMBER.test(line);
  return labels.length > 1 && labels.every(isMarked) ? lines.map((line) => line.replace(BULLET, '').replace(NUMBER, '')) : lines;
}

/* Strings, objects with a name, or groups of them: { animals: ["cat", "dog"] }. Gives [name, group] pairs. */
function fromJson(value, group = '') {
  if (typeof value === 'string' || typeof value === 'number') return [[String(value), group]];
  if (Array.isArray(value)) return value.flatMap((one) => fromJson(one, group));
  if (!value || typeof value !== 'object') return [];
  const name = value.label ?? value.name ?? value.title;
  if (typeof name === 'string') return [[name, typeof value.group === 'string' ? value.group : group]];
  return Object.entries(value).flatMap(([key, one]) => {
    const inner = one && typeof one === 'object';
    return inner ? fromJson(one, Array.isArray(value) ? group : key) : [[/^\d+$/.test(key) ? String(one) : key, group]];
  });
}

function parseJson(text) {
  if (!/^[[{]/.test(text)) return null;
  try {
    const pairs = fromJson(JSON.parse(text));
    return pairs.length ? pairs : null;
  } catch {
    return null;
  }
}

const SEPARATORS = [',', ';', '\t'];
const OTHER_COMMAS = /[、，；،؛]/g; /* of Chinese, Japanese, Arabic */
const countOf = (line, mark) => splitLine(line, mark).length - 1;

/* Lines of a table, when every line has the same separator equally often: the first column is the label. Lines with commas
 * that are no table have a label each in their parts: people mix "cat, dog" with lines of their own. */
function fromLines(text) {
  let lines = text.split(/\r\n|[\r\n\u2028]/).map((line) => line.trim());
  const kept = lines.filter(Boolean);
  if (kept.some((line) => line.includes('\t'))) lines = lines.map((line) => line.split('\t').map((cell) => cell.trim()).find(Boolean) ?? '');
  if (/^[^,;]*\b(label|labels|name|names|class)\b/i.test(kept[0] ?? '') && kept.length > 2 && /[,;"]/.test(kept.join('')) && kept.every((line) => /[,;]/.test(line))) {
    lines = lines.slice(lines.indexOf(kept[0]) + 1).map((line) => splitLine(line, kept[0].includes(';') ? ';' : ',')[0]);
  }
  lines = withoutMarks(lines);
  return lines.flatMap((raw) => {
    if (groupOf(raw) !== undefined) return [raw];
    const line = raw.replace(OTHER_COMMAS, ',');
    const mark = SEPARATORS.find((one) => countOf(line, one) > 0);
    return mark ? splitLine(line, mark) : splitLine(line, '\n');
  });
}

const clean = (name) => name.replace(/\s+/g, ' ').replace(/^[[{]\s*(?=["'])/, '').replace(/(["'])\s*[\]}]$/, '$1').replace(/^["'“”„‚‘’«»]+|["'“”„‘’«»]+$/gu, '').replace(/^#+\s*/, '').trim();

/* What a person typed or pasted: lines, commas or semicolons of any script, a numbered or bulleted list, JSON, CSV, a column of
 * a spreadsheet. Doubles are left out, whatever their case. { labels, groups, doubles } */
export function parseTyped(text) {
  const trimmed = text.replace(/^\uFEFF/, '').trim();
  const labels = [], groups = [];
  const seen = new Set();
  let group = '', doubles = 0;
  const take = (part, its) => {
    const names = part.split('|').map(clean).filter(Boolean);
    if (names.length === 0) return;
    const key = names[0].toLowerCase();
    if (seen.has(key)) {
      doubles++;
      return;
    }
    seen.add(key);
    labels.push(names.join('|'));
    groups.push(its);
  };
  const pairs = parseJson(trimmed);
  if (pairs) for (const [name, its] of pairs) take(name.replaceAll('|', ' '), its);
  else {
    for (const part of fromLines(trimmed)) {
      if (groupOf(part.trim()) !== undefined) group = groupOf(part.trim());
      else take(part, group);
    }
  }
  return { labels, groups, doubles };
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
