import { existsSync, readFileSync } from "node:fs";
import { decode } from "fast-png";
import { randomStream } from "sid-lsg";
import { writeFileAtomic } from "sid-lsg/io";
import { type Canvas, createCanvas, cutPicture, drawPicture, encodePng } from "./canvas";
import type { Draw } from "./methods";
import { scaleOf, theme } from "./picture";
import type { PictureFormat } from "./picture-format";
import { drawEach, type PicturesOf } from "./samples";
import { drawText, type Face, textWidth, wrapText } from "./text";

/** What the generator drew of every caption at some iteration. */
export interface Look {
  readonly iteration: number;
  readonly pictures: readonly Canvas[];
}

/** `progress.png`: each look at the generator adds a row, each caption from a noise that stays the same. */
export interface ContactSheet {
  /** Draws the captions and writes the sheet with that row. */
  look(iteration: number, draw: Draw): Promise<void>;
}

/** Rows at most: a longer run keeps every second of them. */
const mostRows = 32;
const margin = 32;
const gap = 8;
const captionFace: Face = { size: 36, colour: theme.ink };
const iterationFace: Face = { size: 36, colour: theme.faint };

/** Opens the sheet of a run, with its earlier rows if it is resumed. `run` tells runs apart. */
export function openContactSheet(
  path: string,
  { pictures, prompts }: Pick<PicturesOf, "pictures" | "prompts">,
  { run, resume }: { readonly run: string; readonly resume: boolean },
): ContactSheet {
  let looks: readonly Look[] = (resume && earlier(path, pictures, prompts, run)) || [];
  return {
    async look(iteration, draw) {
      const drawn = await drawEach(pictures, draw, prompts, randomStream(11));
      looks = withLook(looks, { iteration, pictures: drawn });
      await writeFileAtomic(path, encodeSheet(pictures, prompts, looks, run));
    },
  };
}

/** A resumed run goes on from its checkpoint, which may be older than the last looks: these come again. */
export function withLook(looks: readonly Look[], look: Look): Look[] {
  const all = [...looks.filter(({ iteration }) => iteration < look.iteration), look];
  return all.length > mostRows ? all.filter((_, i) => i % 2 === 0 || i === all.length - 1) : all;
}

/** The rows as a PNG file, which {@link decodeSheet} reads again. */
export function encodeSheet(
  format: PictureFormat,
  captions: readonly string[],
  looks: readonly Look[],
  run: string,
): Uint8Array {
  const iterations = looks.map(({ iteration }) => iteration);
  const { width, height, tile, column, labels, at } = layout(format, captions, iterations);
  const canvas = createCanvas(width, height, theme.background);
  const bottom = at(0, 0).y - gap;
  drawText(canvas, corner, margin, bottom - iterationFace.size, iterationFace);
  labels.forEach((lines, i) => {
    lines.forEach((line, n) => {
      const x = at(0, i).x + Math.floor((column - textWidth(line, captionFace.size)) / 2);
      drawText(canvas, line, x, bottom - (lines.length - n) * captionFace.size, captionFace);
    });
  });
  looks.forEach(({ iteration, pictures }, row) => {
    const middle = at(row, 0).y + Math.floor((tile - iterationFace.size) / 2);
    drawText(canvas, String(iteration), margin, middle, iterationFace);
    pictures.forEach((picture, i) => {
      const { x, y } = at(row, i);
      drawPicture(canvas, picture, x + Math.floor((column - tile) / 2), y, tile / format.size);
    });
  });
  return encodePng(canvas, { [keyword]: JSON.stringify({ run, iterations }) });
}

/** The rows of an encoded sheet; undefined unless it is whole, of this run and of these captions. */
export function decodeSheet(
  file: Uint8Array,
  format: PictureFormat,
  captions: readonly string[],
  run: string,
): Look[] | undefined {
  try {
    const { width, height, data, text } = decode(file);
    const { iterations }: { iterations: number[] } = JSON.parse(text[keyword] ?? "");
    const { tile, column, at, ...wanted } = layout(format, captions, iterations);
    if (width !== wanted.width || height !== wanted.height) return undefined;
    const canvas = { width, height, data: Uint8Array.from(data) };
    const cut = (row: number, i: number) => {
      const { x, y } = at(row, i);
      return cutPicture(canvas, x + Math.floor((column - tile) / 2), y, format.size, tile / format.size);
    };
    const looks = iterations.map((iteration, row) => ({ iteration, pictures: captions.map((_, i) => cut(row, i)) }));
    // Whatever else is in the file, it's what these rows make.
    return Buffer.from(encodeSheet(format, captions, looks, run)).equals(file) ? looks : undefined;
  } catch {
    return undefined;
  }
}

/** A sheet is nice to have, so a bad one is only worth a warning. */
function earlier(path: string, format: PictureFormat, captions: readonly string[], run: string): Look[] | undefined {
  if (!existsSync(path)) return undefined;
  const looks = decodeSheet(readFileSync(path), format, captions, run);
  if (!looks) console.warn(`Ignored ${path}: it is damaged or of another run. Its rows begin at the checkpoint.`);
  return looks;
}

const keyword = "sid-lsg";
const corner = "iteration";

/** Where everything stands. */
function layout(format: PictureFormat, captions: readonly string[], iterations: readonly number[]) {
  const tile = format.size * scaleOf(format, 120);
  const words = captions.flatMap((caption) => caption.split(" "));
  const column = Math.max(tile, ...words.map((word) => textWidth(word, captionFace.size)));
  const labels = captions.map((caption) => wrapText(caption, captionFace.size, column));
  const side = Math.max(...[corner, ...iterations].map((label) => textWidth(String(label), iterationFace.size)));
  const left = margin + side + 2 * gap;
  const top = margin + Math.max(iterationFace.size, ...labels.map(({ length }) => length * captionFace.size)) + gap;
  return {
    tile,
    /** Width of one. */
    column,
    /** The captions' lines. */
    labels,
    /** Left and top of a row's column. */
    at: (row: number, i: number) => ({ x: left + i * (column + 2 * gap), y: top + row * (tile + gap) }),
    width: left + captions.length * (column + 2 * gap) - 2 * gap + margin,
    height: top + iterations.length * (tile + gap) - gap + margin,
  };
}
