import { type Canvas, createCanvas, drawPicture, type Rgb } from "./canvas";
import type { PictureFormat } from "./picture-format";
import { drawText, type Face, textWidth, widthInLines, wrapEvenly } from "./text";

/** The colours of what stands around pictures. */
export const theme = {
  background: [17, 20, 27],
  ink: [236, 239, 244],
  faint: [139, 148, 163],
  accent: [255, 196, 77],
} as const satisfies Record<string, Rgb>;

const captions: Face = { size: 42, colour: theme.ink };
const legends: Face = { size: 34, colour: theme.faint };
const titleSize = 38;
/** Lines that a caption takes beside its pictures, unless that would make them wider than this. */
const captionLines = 2;
const captionWidths = { least: 200, most: 560 };
const margin = 32;
const gap = 6;
const rowGap = 10;
const blockGap = 34;

/** What one row of pictures shows. */
export interface Row {
  readonly caption: string;
  /** The caption's words never met in training. */
  readonly isHeldOut: boolean;
}

/** Some columns of pictures under a title. */
export interface Block {
  readonly title: string;
  /** Below the title. */
  readonly note: string;
  /** Whether it is what the picture is about: then it stands out. */
  readonly isSubject?: boolean;
  /** `pictures[row][i]`, each `size × size`. */
  readonly pictures: readonly (readonly Canvas[])[];
}

/** Dots of a pixel so that pictures of every size are about `side` dots large. */
export function scaleOf({ size }: Pick<PictureFormat, "size">, side: number): number {
  return Math.max(1, Math.round(side / size));
}

/** Captions from top to bottom, blocks from left to right. */
export function drawGrid(format: Pick<PictureFormat, "size">, rows: readonly Row[], blocks: readonly Block[]): Canvas {
  const scale = scaleOf(format, 96);
  const tile = format.size * scale;
  const texts = rows.map(({ caption, isHeldOut }) => (isHeldOut ? `${caption}${mark}` : caption));
  const widthIn = (count: number) => texts.map((text) => widthInLines(text, captions.size, count));
  const wanted = widthIn(captionLines).map((width) => Math.min(width, captionWidths.most));
  const captionWidth = Math.max(captionWidths.least, ...wanted, ...widthIn(Number.POSITIVE_INFINITY));
  const lines = texts.map((text) => wrapEvenly(text, captions.size, captionWidth));
  const rise = Math.max(tile, ...lines.map((all) => all.length * captions.size)) + rowGap;
  const widths = blocks.map(({ title, note, pictures }) =>
    Math.max(
      Math.max(...pictures.map(({ length }) => length)) * (tile + gap) - gap,
      ...[title, note].map((text) => textWidth(text, titleSize)),
    ),
  );
  const legend = rows.some(({ isHeldOut }) => isHeldOut) ? `${mark.trim()} never seen in training` : "";
  const top = margin + 2 * titleSize + 3 * gap;
  const bottom = top + rows.length * rise - rowGap;
  const canvas = createCanvas(
    Math.max(
      margin + captionWidth + widths.reduce((sum, width) => sum + blockGap + width, 0),
      margin + textWidth(legend, legends.size),
    ) + margin,
    bottom + (legend ? blockGap / 2 + legends.size : 0) + margin,
    theme.background,
  );

  lines.forEach((all, row) => {
    const middle = top + row * rise + Math.round((rise - rowGap - all.length * captions.size) / 2);
    all.forEach((line, i) => {
      drawMarked(canvas, line, margin, middle + i * captions.size, captions);
    });
  });
  if (legend) drawMarked(canvas, legend, margin, bottom + blockGap / 2, legends);
  let left = margin + captionWidth;
  blocks.forEach(({ title, note, isSubject, pictures }, block) => {
    left += blockGap;
    const colour = isSubject ? theme.accent : theme.ink;
    drawText(canvas, title, left, margin, { size: titleSize, colour });
    drawText(canvas, note, left, margin + titleSize, { size: titleSize, colour: isSubject ? colour : theme.faint });
    pictures.forEach((list, row) => {
      list.forEach((picture, i) => {
        drawPicture(canvas, picture, left + i * (tile + gap), top + row * rise, scale);
      });
    });
    left += widths[block] ?? 0;
  });
  return canvas;
}

/** Behind captions that are held out; it never stands on a line alone. */
const mark = "\u00a0*";

function drawMarked(canvas: Canvas, text: string, x: number, y: number, face: Face): void {
  let left = x;
  for (const part of text.split(/(\*)/)) {
    drawText(canvas, part, left, y, part === "*" ? { ...face, colour: theme.accent } : face);
    left += textWidth(part, face.size);
  }
}
