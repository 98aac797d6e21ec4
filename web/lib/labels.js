/* What people paste as a list of labels: lines, commas or semicolons of any script, a numbered, bulleted or nested list, headings,
 * a table (CSV, a spreadsheet, Markdown), JSON and what looks like it, a sentence that lists. The whole of it tells what a mark
 * means: "3." is taken off where every line is numbered, and stays where one line is called "3. Liga". */
import { groupOf } from './list.js';

export { firstName, parseList, writeList } from './list.js';

/* ---- characters ---- */

const LINE_ENDS = /\r\n|[\r\n\v\f\u0085\u2028\u2029]/;
const UNSEEN = /[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]/g;
const OTHER_COMMAS = /[、，،]/g; /* of Chinese, Japanese, Arabic */
const OTHER_SEMICOLONS = /[；؛]/g;
const PAIRS = ['""', '\'\'', '``', '“”', '„“', '„”', '‘’', '‚‘', '«»', '»«', '「」'];

function withoutQuotes(text) {
  const pair = PAIRS.find(([open, close]) => text.length > 1 && text.startsWith(open) && text.endsWith(close));
  return pair ? text.slice(1, -1).trim() : text;
}

/* Markdown's emphasis and links. */
const plain = (text) => text.replace(/!?\[([^\]]*)\]\([^)\s]*\)/g, '$1').replace(/^(\*\*|__|\*|_|~~)(\S(?:.*\S)?)\1$/u, '$2');

const clean = (name) => withoutQuotes(plain(withoutQuotes(name.replace(/\s+/g, ' ').trim().replace(/^#+\s*(?=\S)/, ''))))
  .replace(/^[“„«]+|[”»]+$/gu, '').trim();

/* ---- tables ---- */

/* Cells by a separator; what stands in quotes is one cell, with "" for a quote in it, and may have separators and line ends. */
function rowsOf(text, comma) {
  const rows = [[]];
  let at = 0;
  while (at <= text.length) {
    const quoted = /^[ ]*"((?:[^"]|"")*)"[ ]*/.exec(text.slice(at, at + 2000));
    const after = quoted && text[at + quoted[0].length];
    let end;
    if (quoted && [comma, '\n', undefined].includes(after)) {
      rows[rows.length - 1].push(quoted[1].replaceAll('""', '"').trim());
      end = at + quoted[0].length;
    } else {
      for (end = at; end < text.length && text[end] !== comma && text[end] !== '\n'; end++);
      rows[rows.length - 1].push(text.slice(at, end).trim());
    }
    if (text[end] === '\n') rows.push([]);
    at = end + 1;
  }
  return rows.filter((row) => row.some(Boolean));
}

/* What nobody calls a thing: numbers, shares, sums, dates, addresses, colours, yes and no, WordNet's numbers. */
const NO_NAME = /^(?:|[-+<>~]?\s*[$€£¥#]?\s*\d[\d.,:\s/-]*\s*(?:%|[$€£¥]|px|kg|g|cm|mm|m)?|true|false|yes|no|null|none|nan|n\/a|-|(?:https?:|data:|\.{0,2}\/)\S+|#[\da-f]{3,8}|n\d{8}|\S+\.(?:jpe?g|png|webp|gif))$/i;
const HEADER = /^(?:(?:class|label|category|item|species|tag|common|display|object)?[ _-]?(?:names?|labels?|titles?)|class(?:es)?|categor(?:y|ies)|items?|species|terms?|words?|tags?|objects?|nom|nombres?|etikett(?:en)?|bezeichnung(?:en)?|begriffe?|名称|标签|类别)$/i;

/* The column with the names, of rows that are as long as each other; null where they are no table but names side by side. */
function column(rows, always) {
  const width = rows[0].length;
  if (width < 2 || rows.length < 2 || rows.some((row) => row.length !== width)) return null;
  const named = rows[0].findIndex((cell) => HEADER.test(cell));
  if (named >= 0 && (rows.length > 2 || rows[1].some((cell) => NO_NAME.test(cell)))) return rows.slice(1).map((row) => row[named]);
  const isName = (index, list) => list.some((row) => !NO_NAME.test(row[index]));
  const inside = rows.length > 2 && rows[0].every((cell) => !NO_NAME.test(cell)) ? rows.slice(1) : rows; /* the first row may be the heads */
  const indices = rows[0].map((_, index) => index), names = indices.filter((index) => isName(index, inside));
  if (names.length === 0 || (names.length === width && !always)) return null;
  const hasHeads = inside !== rows && names.length < width;
  return (hasHeads ? inside : rows).map((row) => row[names[0]]);
}

/* Rows of "| cat | 3 |". */
function markdownTable(lines) {
  if (lines.length < 2 || !lines.every((line) => /^\|.*\|$/.test(line))) return null;
  const isRule = (line) => /^[|\s:-]+$/.test(line);
  const rows = lines.filter((line) => !isRule(line)).map((line) => line.slice(1, -1).split('|').map((cell) => cell.trim()));
  const body = lines.some(isRule) ? rows.slice(1) : rows;
  return column(rows, true) ?? body.map(([cell]) => cell);
}

/* ---- JSON and what looks like it ---- */

const LISTS = ['categories', 'labels', 'names', 'classes', 'id2label', 'items', 'tags'];

/* Strings, objects with a name, or groups of them: { animals: ["cat", "dog"] }. Gives [name, group] pairs. */
function fromJson(value, group = '') {
  if (typeof value === 'string') return value ? [[value, group]] : [];
  if (typeof value === 'number') return [[String(value), group]];
  if (Array.isArray(value)) {
    const words = value.filter((one) => typeof one === 'string' && !NO_NAME.test(one));
    return (words.length ? value.filter((one) => typeof one === 'object' || words.includes(one)) : value).flatMap((one) => fromJson(one, group));
  }
  if (!value || typeof value !== 'object') return [];
  const name = value.label ?? value.name ?? value.title;
  const its = value.group ?? value.supercategory;
  if (typeof name === 'string') return [[name, typeof its === 'string' ? its : group]];
  const list = LISTS.find((key) => value[key] && typeof value[key] === 'object');
  if (list) return fromJson(value[list], group);
  return Object.entries(value).flatMap(([key, one]) => {
    const isNumber = /^\d+$/.test(key);
    if (one && typeof one === 'object') return fromJson(one, isNumber ? group : key);
    return [[isNumber ? String(one) : key, group]];
  });
}

/* Python's and JavaScript's lists and the like as JSON: other quotes, a comma too many, keys without quotes, a name before it. */
const asJson = (text) => text.replace(/^(?:export\s+|const\s+|let\s+|var\s+)*[\w.]*\s*[=:]\s*(?=[[({])/, '').replace(/;\s*$/, '')
  .replace(/^\(([^]*)\)$/, '[$1]').replace(/^\{((?:\s*'[^']*'\s*,?)+)\}$/, '[$1]')
  .replace(/'((?:[^'\\\n]|\\.)*)'(?=\s*[,\]}:])/g, (_, inner) => JSON.stringify(inner.replaceAll('\\\'', '\'')))
  .replace(/([{,]\s*)([A-Za-z_]\w*)\s*:/g, '$1"$2":').replace(/([{,]\s*)(\d+)\s*:/g, '$1"$2":').replace(/,(?=\s*[\]}])/g, '')
  .replace(/\b(?:None|undefined)\b(?=\s*[,\]}])/g, 'null');

function parseJson(text) {
  const ways = [() => JSON.parse(text), () => text.split('\n').filter((line) => line.trim()).map((line) => JSON.parse(line)), () => JSON.parse(asJson(text))];
  for (const way of /^(?:[\w\s.]+[=:]\s*)?[[({]/.test(text) ? ways : []) {
    try {
      const value = way(), pairs = value && typeof value === 'object' ? fromJson(value) : [];
      if (pairs.length || (Array.isArray(value) && value.length === 0)) return pairs;
    } catch {
      /* another way, or a list in its own right: "[animals]" begins a group */
    }
  }
  return null;
}

/* ---- marks of lists ---- */

const BULLETS = [/^(?:[-*+]\s*)?\[[ xX]?\]\s+(?=\S)/, /^[-*+>–—‐−~]\s+(?=\S)/, /^[•‣◦▪▫●○■□◆◇★☆✓✔✅☐☑☒❌➤➢►▶→⁃∙·・※♦\uf0b7\uf0a7]\ufe0f?\s*(?=\S)/u, /^(?:[-–—+]|\*(?!\*|\S.*\*$))\s*(?=[^\s\d.-])/, /^[o§]\t+/];
const NUMBERS = [/^[(\[]?\d{1,5}(?:\.\d{1,3})*[.):\]](?:\s+|$)/, /^[(（]?[0-9０-９٠-٩一二三四五六七八九十]{1,5}[.)．）、](?=\s*[^\s\d])\s*/u,
  /^(?:#|№|no\.?|nr\.?)\s*\d{1,5}[.:)]?\s+/i, /^(?:[0-9]\ufe0f?\u20e3|[①-⓿])\s*/u, /^\d{1,5}\s*[-–—|]\s+/];
const COUNTS = [/\s*[([]\s*(?!(?:1[89]|20)\d\d\s*[)\]])\d[\d.,\s]*%?\s*[)\]]$/, /\s*[:=]\s*\d[\d.,\s]*%?$/, /\s+[-–—]\s+\d[\d.,\s]*%?$/, /\s+[x×]\s*\d+$/i, /\s*\.{3,}\s*\d+$/];
const BEFORE = [/^\d+\s*[x×]\s+/i];

/* What every line carries is taken off; marks of one kind may be mixed. */
function withoutAll(lines, kinds) {
  const found = kinds.filter((mark) => lines.some((line) => mark.test(line)));
  const markOf = (line) => found.find((mark) => mark.test(line));
  return lines.length > 1 && lines.every(markOf) ? lines.map((line) => line.replace(markOf(line), '')) : null;
}

const LETTER = /^[(\[]?([a-zA-Z]{1,6})[.)\]]\s+(?=\S)/;
const ROMAN = ['', 'x', 'xx', 'xxx', 'xl'].flatMap((ten) => ['', 'i', 'ii', 'iii', 'iv', 'v', 'vi', 'vii', 'viii', 'ix'].map((one) => ten + one));

/* "a) cat", "ii. dog": letters are marks where they count from the first one; "E. coli" is a name. */
function withoutLetters(lines) {
  const letters = lines.map((line) => LETTER.exec(line)?.[1].toLowerCase());
  const counts = letters.every((one, i) => one === String.fromCharCode(97 + i)) || letters.every((one, i) => one === ROMAN[i + 1]);
  return lines.length > 1 && counts ? lines.map((line) => line.replace(LETTER, '')) : null;
}

/* "12 cat" of a sorted count, or "1 cat", "2 dog": numbers without a mark are one where they count, or stand right-aligned. */
function withoutPlainNumbers(lines, raw) {
  const numbers = lines.map((line) => /^(\d{1,7})\s+(?=\S)/.exec(line)?.[1]);
  if (lines.length < 2 || !numbers.every(Boolean)) return null;
  const counts = numbers.every((one, i) => Number(one) === Number(numbers[0]) + i) && Number(numbers[0]) < 2;
  const aligned = raw.every((line) => /^\s*\d+ \S/.test(line)) && new Set(raw.map((line) => /^\s*\d+/.exec(line)[0].length)).size === 1 && raw.some((line) => /^\s/.test(line));
  return counts || aligned ? lines.map((line) => line.replace(/^\d+\s+/, '')) : null;
}

/* "**cat**: a small animal", "cat - a small animal": of a glossary, the words. */
function withoutMeanings(lines) {
  const bold = lines.map((line) => /^\*\*(.+?):?\*\*\s*(?:[:–—-]|$)/.exec(line)?.[1]);
  if (lines.length > 1 && bold.every(Boolean)) return bold;
  const parts = lines.map((line) => /^(.{1,40}?)(?::\s+|\s+[–—-]\s+)(.+)$/.exec(line));
  const told = parts.filter((one) => {
    const words = one?.[2].trim().split(/\s+/) ?? [];
    return words.length >= 3 && one[1].split(/\s+/).length <= 4 && words.filter((word) => /^\p{Lu}/u.test(word)).length < words.length / 2; /* no title */
  }).length;
  return lines.length > 1 && parts.every(Boolean) && told > 0.7 * lines.length ? parts.map((one) => one[1]) : null;
}

const isMarked = (line) => [...BULLETS.slice(0, 3), ...NUMBERS].some((mark) => mark.test(line));

/* Headings become groups: Markdown's, a line that ends in a colon or stands over marked ones, the upper level of a nested list, our own
 * "[animals]". Gives the lines that say something, and which of them are headings. */
function grouped(raw) {
  const lines = raw.filter((line) => line.trim()), texts = lines.map((line) => line.trim()), marked = texts.map(isMarked);
  const depths = lines.map((line) => /^[ \t]*/.exec(line)[0].replaceAll('\t', '    ').length), least = Math.min(...depths);
  const isNested = marked.every(Boolean) && depths.some((depth) => depth > least);
  const isOver = marked.filter(Boolean).length > 1 && marked.every((one, i) => one || marked[i + 1]); /* all that bears no mark stands over what does */
  const own = new Map(), heads = new Map();
  texts.forEach((text, i) => {
    const bare = text.replace(/\*\*|__/g, '');
    if (groupOf(text) !== undefined) own.set(i, groupOf(text));
    else if (i + 1 === lines.length) return;
    else if (/^#{1,6}\s+\S/.test(text)) heads.set(i, clean(text.replace(/[#\s]+$/, '')));
    else if (!marked[i] && (/^[^:]+:$/.test(bare) || isOver)) heads.set(i, clean(bare.replace(/:$/, '')));
    else if (isNested && depths[i] === least && depths[i + 1] > least) heads.set(i, clean(withoutMark(text)).replace(/:$/, ''));
  });
  const areAlike = [/^#{1,6}\s+\S/, /:$/].some((mark) => texts.every((text) => mark.test(text)));
  if (areAlike || (heads.size > 1 && heads.size + own.size >= lines.length - 1)) heads.clear(); /* nothing stands under them */
  if (heads.size === 1 && own.size === 0 && heads.has(0)) heads.set(0, ''); /* a title over everything */
  for (const [i, name] of heads) if (PREFIX.test(`${name}:`)) heads.set(i, '');
  return { lines, heads: new Map([...heads, ...own]) };
}

const withoutMark = (line) => [...BULLETS, ...NUMBERS].reduce((text, mark) => (text === line ? text.replace(mark, '') : text), line);

/* ---- lines and sentences ---- */

const PREFIX = /^(?:labels?|names?|classes|categories|options|choices|tags|items|kategorien|namen|etiquetas|noms|标签|类别)\s*[:=：]\s*/i;

/* "cat, dog, and hamster." on one line. */
function fromSentence(text) {
  if (/^1[.)]\s.+\s2[.)]\s/.test(text)) return text.replace(/^1[.)]\s+/, '').split(/[,;]?\s+\d{1,4}[.)]\s+/);
  const parts = text.replace(PREFIX, '').replace(OTHER_COMMAS, ',').replace(OTHER_SEMICOLONS, ';');
  if (/^#\S+(?:\s+#\S+)+$/.test(parts)) return parts.split(/\s+/);
  const mark = ['\t', ';', ','].find((one) => parts.includes(one));
  const bars = parts.split('|');
  if (!mark) return bars.length > 2 ? bars : parts.split(/\s+[/·•]\s+/);
  const cells = rowsOf(parts, mark).flat().filter((cell) => cell && !/^(?:etc\.?|usw\.?|\.{3}|…)$/i.test(cell));
  if (mark === ',' && cells.length > 1) {
    const last = cells.pop().replace(/(\p{L}{3})\.$/u, '$1'), both = /^(\S+)\s+(?:and|or|und|oder|et|ou|y|o|和|或)\s+(\S+)$/iu.exec(last);
    cells.push(...(both ? both.slice(1) : [last.replace(/^(?:and|or|und|oder|et|ou|y|o)\s+(?=\S)/i, '')]));
  }
  return cells;
}

/* The cells of a text whose lines are rows of a table; null where they are not. */
function fromTable(lines) {
  const text = lines.join('\n').replace(/^sep=.\n/i, '');
  const markdown = markdownTable(lines);
  if (markdown) return markdown;
  for (const mark of ['\t', ';', ',']) {
    if (!text.includes(mark)) continue;
    const rows = rowsOf(text, mark).map((row) => row.slice(0, row.length - (row.length > 1 && row[row.length - 1] === '' ? 1 : 0)));
    const names = column(rows, mark === '\t');
    if (names) return names;
    if (mark === '\t') return rows.map((row) => row.find((cell) => !NO_NAME.test(cell)) ?? row.find(Boolean) ?? '');
  }
  return null;
}

/* Names side by side: each line by the separator that it has. */
function fromRows(lines) {
  const text = lines.map((line) => line.replace(OTHER_COMMAS, ',').replace(OTHER_SEMICOLONS, ';').replace(/[,;]+$/, '')).join('\n');
  const mark = [';', ','].find((one) => text.includes(one));
  return mark || text.includes('"') ? rowsOf(text, mark ?? '\n').flat() : text.split('\n');
}

/* isList: all lines of the text bear marks, also where this part of it has but one. */
function namesOf(lines, raw, isList) {
  if (lines.length === 1) return fromSentence(isList || BULLETS[0].test(lines[0]) || BULLETS[1].test(lines[0]) ? withoutMark(lines[0]) : lines[0]);
  const first = lines.length > 2 && /^(?:class[_ ]?)?(?:names?|labels?)$/i.test(clean(lines[0])) ? 1 : 0;
  let rest = lines.slice(first), its = raw.slice(first);
  const unmarked = withoutAll(rest, BULLETS) ?? withoutAll(rest, NUMBERS) ?? withoutLetters(rest) ?? withoutAll(rest, [...BULLETS.slice(0, 3), ...NUMBERS]);
  if (unmarked) [rest, its] = [unmarked.map((line) => line.trim()), unmarked];
  rest = withoutAll(rest, BULLETS.slice(0, 1)) ?? rest; /* "1. [ ] cat" */
  const table = unmarked && !rest.every((line) => line.includes('\t')) ? null : fromTable(rest);
  if (table) return table;
  rest = withoutPlainNumbers(rest, its) ?? rest;
  rest = withoutAll(rest, COUNTS) ?? withoutAll(rest, BEFORE) ?? rest;
  return withoutMeanings(rest) ?? fromRows(rest);
}

const OWN_HEAD = /^#\s*(?:name|title|source|licence|group|sensitivity|template):/;
const RULE = /^(?:[-=_*]\s*){3,}$|^```/;

/* As text: a page's list, a pasted string with its line ends written out. */
function asText(text) {
  let plainText = text.normalize('NFC').replace(UNSEEN, '').replace(/^(\S.{2,60})\r?\n(={3,}|-{3,})[ \t]*$/gm, (all, title, rule) => (
    rule[0] === '=' || Math.abs(rule.length - title.length) < 2 ? `# ${title}` : all));
  if (/<(?:li|option|td|br)\b/i.test(plainText)) {
    plainText = plainText.replace(/<\/?(?:li|option|tr|td|th|br|p|div|h\d)\b[^>]*>/gi, '\n').replace(/<[^>]+>/g, '')
      .replace(/&nbsp;/g, ' ').replace(/&lt;/g, '<').replace(/&gt;/g, '>').replace(/&quot;/g, '"').replace(/&#0?39;/g, '\'').replace(/&amp;/g, '&');
  }
  const yaml = /(?:^|\n)(?:names|labels|classes|categories):[ \t]*\n((?:[ \t]+\S.*(?:\n|$))+)/.exec(plainText);
  if (yaml && /(?:^|\n)\w+:[ \t]+\S/.test(plainText)) plainText = yaml[1]; /* of a file with settings, the names */
  if (!LINE_ENDS.test(plainText.trim()) && /\S\\n\S/.test(plainText)) plainText = plainText.replaceAll('\\n', '\n');
  return plainText.split(LINE_ENDS).filter((line) => !RULE.test(line.trim()) && !OWN_HEAD.test(line.trim())).map((line) => line.trimEnd());
}

/* [name, group] pairs. */
function pairsOf(text) {
  const raw = asText(text), whole = raw.join('\n').trim();
  const json = parseJson(/(?:^|\n)(?:names|labels|classes|categories)\s*[:=]\s*([[{][^]*[\]}])/.exec(whole)?.[1] ?? whole);
  if (json) return json.map(([name, group]) => [name.replaceAll('|', ' '), /^\d+$/.test(group) ? '' : group]);
  const { lines, heads } = grouped(raw);
  const items = lines.filter((_, i) => !heads.has(i)), isList = items.length > 1 && items.every((line) => isMarked(line.trim()));
  const pairs = [];
  let group = '', part = [];
  const end = () => {
    if (part.length) pairs.push(...namesOf(part.map((line) => line.trim()), part, isList).map((name) => [name, group]));
    part = [];
  };
  lines.forEach((line, i) => {
    if (!heads.has(i)) return part.push(line);
    end();
    return (group = heads.get(i));
  });
  end();
  return pairs;
}

/* Doubles are left out, whatever their case. { labels, groups, doubles } */
export function parseTyped(text) {
  const labels = [], groups = [];
  const seen = new Set();
  let doubles = 0;
  for (const [part, group] of pairsOf(text)) {
    const names = part.split('|').map(clean).filter(Boolean);
    if (names.length === 0) continue;
    const key = names[0].toLowerCase();
    if (seen.has(key)) {
      doubles++;
      continue;
    }
    seen.add(key);
    labels.push(names.join('|'));
    groups.push(group);
  }
  return { labels, groups, doubles };
}
