/* The texts of the screen. messages/en.json has them all; another language is another file there,
 * named in LANGUAGES. What a language lacks is shown in English. */
import { getLocal } from './local.js';

export const LANGUAGES = { en: 'English', de: 'Deutsch', es: 'Español', fr: 'Français', zh: '中文' };

let texts = {};
let plural = new Intl.PluralRules('en');
let language = 'en';
let locale = 'en'; /* for numbers and dates: the user's own, within that language */

const read = async (code, part = '') => (await fetch(new URL(`../messages/${part}${code}.json`, import.meta.url))).json();

export async function loadTexts(wanted = getLocal('language')) {
  const asked = [wanted, ...(navigator.languages ?? [navigator.language])].filter(Boolean);
  const codes = asked.flatMap((code) => [code, code.split('-')[0]]);
  language = codes.find((code) => code in LANGUAGES) ?? 'en';
  locale = asked.find((code) => code.split('-')[0] === language) ?? language;
  plural = new Intl.PluralRules(language);
  texts = await read(language).catch(() => read('en'));
  document.documentElement.lang = language;
}

/* Those of a screen that comes with texts of its own, in the folder `part`. */
export async function addTexts(part) {
  Object.assign(texts, await read(language, `${part}/`).catch(() => read('en', `${part}/`)));
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

export const has = (key) => key in texts;
export const languageNow = () => language;
export const number = (value) => new Intl.NumberFormat(locale).format(value);

export const percent = (share) => new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 0 }).format(share);

export function bytes(n) {
  const [unit, value] = n >= 1e6 ? ['megabyte', n / 1e6] : ['kilobyte', n / 1e3];
  return new Intl.NumberFormat(locale, {
    style: 'unit',
    unit,
    maximumFractionDigits: value < 10 ? 1 : 0,
  }).format(value);
}

export const when = (ms) =>
  new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' }).format(ms);
