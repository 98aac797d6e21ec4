/* An answer to hand on as a picture with the words on it; loaded when somebody does. */
import { download, toast } from './dom.js';
import { t } from './text.js';
import { textOf } from './words.js';

const WIDTH = 1080, HEIGHT = 1350, EDGE = 72;

function lines(context, text, width) {
  const rows = [];
  for (const word of text.split(/\s+/)) {
    const longer = rows.length ? `${rows[rows.length - 1]} ${word}` : word;
    if (rows.length && context.measureText(longer).width <= width) rows[rows.length - 1] = longer;
    else rows.push(word);
  }
  return rows;
}

/* The photo fills the card; the words stand below, as on the screen. */
export async function cardOf(photo, question, verdict) {
  const canvas = document.createElement('canvas');
  canvas.width = WIDTH;
  canvas.height = HEIGHT;
  const context = canvas.getContext('2d');
  const { preview } = photo;
  const scale = Math.max(WIDTH / preview.width, HEIGHT / preview.height);
  context.imageSmoothingQuality = 'high';
  context.drawImage(preview, (WIDTH - preview.width * scale) / 2, (HEIGHT - preview.height * scale) / 2, preview.width * scale, preview.height * scale);
  const shade = context.createLinearGradient(0, HEIGHT * 0.45, 0, HEIGHT);
  shade.addColorStop(0, 'rgb(0 0 0 / 0%)');
  shade.addColorStop(1, 'rgb(0 0 0 / 82%)');
  context.fillStyle = shade;
  context.fillRect(0, 0, WIDTH, HEIGHT);
  context.fillStyle = '#fff';
  const serif = 'Georgia, "Noto Serif", serif';
  let size = 104, rows;
  do {
    context.font = `${verdict.sure === 'sure' ? '' : 'italic '}600 ${size}px ${serif}`;
    rows = lines(context, verdict.text, WIDTH - 2 * EDGE);
    size -= 8;
  } while (size > 48 && (rows.length > 3 || rows.some((row) => context.measureText(row).width > WIDTH - 2 * EDGE)));
  let y = HEIGHT - EDGE - 64 - (rows.length - 1) * size * 1.15;
  const font = context.font;
  context.font = '500 36px system-ui, sans-serif';
  context.globalAlpha = 0.85;
  context.fillText(question, EDGE, y - size * 1.05);
  context.globalAlpha = 1;
  context.font = font;
  for (const row of rows) {
    context.fillText(row, EDGE, y);
    y += size * 1.15;
  }
  context.font = '500 28px system-ui, sans-serif';
  context.globalAlpha = 0.7;
  context.fillText(t('made_with'), EDGE, HEIGHT - EDGE + 12);
  return new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));
}

export async function share(photo, question, verdict) {
  const blob = await cardOf(photo, question, verdict);
  if (!blob) return toast(t('no_memory'), { bad: true });
  const file = new File([blob], 'whatsit.png', { type: 'image/png' });
  const what = { files: [file], text: textOf(question, verdict) };
  try {
    if (navigator.canShare?.(what)) return await navigator.share(what);
  } catch (error) {
    if (error.name === 'AbortError') return undefined; /* the user thought better of it */
  }
  download(blob, 'whatsit.png', 'image/png');
  return toast(t('exported', { file: 'whatsit.png' }));
}
