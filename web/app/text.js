/* The texts of the screen. messages/en.json has them all; another language is another file there,
 * named in LANGUAGES. What a language lacks is shown in English. */

export const LANGUAGES = ['en'];

let texts = {};
let plural = new Intl.PluralRules('en');
let language = 'en';

const read = async (code) => (await fetch(new URL(`../messages/${code}.json`, import.meta.url))).json();

export async function loadTexts(wanted) {
  const asked = [wanted, ...navigator.languages].filter(Boolean);
  const codes = asked.flatMap((code) => [code, code.split('-')[0]]);
  language = codes.find((code) => LANGUAGES.includes(code)) ?? 'en';
  plural = new Intl.PluralRules(language);
  const [english, own] = await Promise.all([read('en'), language === 'en' ? {} : read(language)]);
  texts = { ...english, ...own };
  document.documentElement.lang = language;
}

/* t('photos', { n: 2 }) takes 'photos.other', or 'photos' where there is but one form. */
export function t(key, values = {}) {
  const form = 'n' in values ? `${key}.${plural.select(values.n)}` : key;
  const text = texts[form] ?? texts[`${key}.other`] ?? texts[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name];
    if (value === undefined) return whole;
    return typeof value === 'number' ? number(value) : String(value);
  });
}

export const number = (value) => new Intl.NumberFormat(language).format(value);

export function percent(share) {
  const digits = share < 0.0995 && share > 0 ? 1 : 0;
  return new Intl.NumberFormat(language, {
    style: 'percent',
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  }).format(share);
}

export function bytes(n) {
  const [unit, value] = n >= 1e6 ? ['megabyte', n / 1e6] : ['kilobyte', n / 1e3];
  return new Intl.NumberFormat(language, {
    style: 'unit',
    unit,
    maximumFractionDigits: value < 10 ? 1 : 0,
  }).format(value);
}

export const when = (ms) =>
  new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'short' }).format(ms);
