/** The terms of an equation as arrows on the samples. */
import type { TermName } from "./notation";
import { dashes, hues, type Palette } from "./palettes";
import type { Values } from "./values";

export type Point = readonly [number, number];

/** An arrow in the plane; a mark where both ends are one. */
export interface Arrow {
  readonly of: TermName;
  readonly label: string;
  readonly from: Point;
  readonly to: Point;
}

/** Arrows of the gradient and its parts are at most so long: a weight like 1/M may make them far longer. */
const longest = 0.9;

/** In pixels; what is shorter is drawn as a mark. */
const shortest = 1.5;

/** What is shown where nothing is pointed at: where the samples are pushed. */
const overview = "gradient" satisfies TermName;

const at = (numbers: ArrayLike<number>, i: number): Point => [numbers[2 * i] as number, numbers[2 * i + 1] as number];
const add = (a: Point, b: Point, factor = 1): Point => [a[0] + factor * b[0], a[1] + factor * b[1]];

/**
 * By how much arrows of the gradient and its parts are shorter than they are, the same for all, 1 for not at all.
 */
export function shrinkOf({ of }: Values): number {
  const lengths = (["gradient", "direct", "through"] as const).flatMap((name) => {
    const numbers = of[name] ?? [];
    return Array.from({ length: numbers.length / 2 }, (_, i) => Math.hypot(...at(numbers, i)));
  });
  const most = Math.max(0, ...lengths.filter(Number.isFinite));
  return most > longest ? longest / most : 1;
}

/**
 * A term's arrows on a sample, one after the other: those of a sum are joined, and the last is the sum. An answer begins
 * where it was asked, a difference leads from what is taken away, and a gradient where the sample is pushed: against it.
 */
export function arrowsOf(term: TermName, values: Values, i: number): Arrow[] {
  const { of } = values;
  const known = (name: TermName) => (of[name] === undefined ? undefined : at(of[name], i));
  const [xg, xt] = [known("generated"), known("noisy")] as [Point, Point];
  const own = known(term);
  const { teacher, conditional } = { teacher: known("teacher"), conditional: known("conditional") };
  const arrow = (of: TermName, label: string, from: Point, to: Point): Arrow => ({ of, label, from, to });
  const mark = (of: TermName, label: string, place: Point): Arrow => ({ of, label, from: place, to: place });
  const sample = mark("generated", "x_g", xg);
  if (term === "generated") return [sample];
  if (term === "noisy") return [sample, arrow(term, "x_t", xg, xt)];
  if (term === "weight" || term === "meanDistance") {
    const to = teacher ?? conditional;
    return of.meanDistance && to ? [sample, arrow("meanDistance", "M", xg, to)] : [sample];
  }
  if (own === undefined || term === "ratio") return [sample];
  if (term === "teacher") return [sample, arrow(term, "f_φ", xt, own)];
  if (term === "fake") return [sample, arrow(term, "f_ψ", xt, own)];
  // Decoupled DMD asks these two at another x_t.
  const asked = of.pull ? xg : xt;
  if (term === "conditional") return [sample, arrow(term, "f_c", asked, own)];
  if (term === "unconditional") return [sample, arrow(term, "f_∅", asked, own)];
  if (term === "gradient" || term === "direct" || term === "through") return [sample, ...pushes(term, values, i)];
  if (term === "pull") return [sample, arrow(term, "p", conditional ?? xg, add(conditional ?? xg, own))];
  const fake = known("fake") as Point;
  if (teacher === undefined) return [sample];
  if (term === "delta") return [sample, arrow(term, "δ", fake, teacher)];
  if (term === "slope") return [sample, arrow(term, "d′", teacher, add(teacher, own))];
  const scaledDelta = known("alphaDelta") as Point;
  const taken = arrow("alphaDelta", "−α δ", teacher, add(teacher, scaledDelta, -1));
  if (term === "alphaDelta") return [sample, taken];
  return [sample, arrow("teacher", "f_φ − x_g", xg, teacher), taken, arrow(term, "u", xg, add(xg, own))];
}

/** Where a sample is pushed: by its direct part, by what flows through networks, and by both. */
function pushes(term: "gradient" | "direct" | "through", values: Values, i: number): Arrow[] {
  const shrink = shrinkOf(values);
  const { generated, direct, through, gradient } = values.of;
  const xg = at(generated as ArrayLike<number>, i);
  const whole: Arrow = {
    of: "gradient",
    label: "push",
    from: xg,
    to: add(xg, at(gradient as ArrayLike<number>, i), -shrink),
  };
  if (direct === undefined || through === undefined) return [whole];
  const middle = add(xg, at(direct, i), -shrink);
  const first: Arrow = { of: "direct", label: "direct", from: xg, to: middle };
  if (term === "direct") return [first];
  const second: Arrow = { of: "through", label: "through", from: middle, to: add(middle, at(through, i), -shrink) };
  if (term === "through") return [first, second];
  return isNothing(through) ? [whole] : [first, second, whole];
}

/** Whether the direct part is all, but for rounding. */
const isNothing = (numbers: ArrayLike<number>) => Array.from(numbers).every((x) => Math.abs(x) < 1e-4);

/** Draws a term's arrows on all samples, with labels on the one that is looked at; without a term, where they are pushed. */
export function drawArrows(
  context: CanvasRenderingContext2D,
  toPixels: (x: number, y: number) => readonly [number, number],
  values: Values,
  term: TermName | undefined,
  palette: Palette,
  looked = 0,
): void {
  context.save();
  context.lineCap = "round";
  for (let i = 0; i < values.count; i++) {
    const isLooked = i === looked;
    context.globalAlpha = isLooked ? 1 : 0.45;
    for (const { of, label, from, to } of arrowsOf(term ?? overview, values, i)) {
      const [start, end] = [toPixels(...from), toPixels(...to)];
      const hue = hues[of];
      context.strokeStyle = palette[hue];
      context.fillStyle = palette[hue];
      context.lineWidth = isLooked ? 2.5 : 1.5;
      const length = Math.hypot(end[0] - start[0], end[1] - start[1]);
      if (!Number.isFinite(length)) continue;
      if (length < shortest) drawMark(context, end, isLooked ? 4 : 3);
      else drawArrow(context, start, end, dashes[hue]);
      context.strokeStyle = palette.ground;
      if (isLooked && term !== undefined) drawLabel(context, label, start, end);
    }
  }
  context.restore();
}

type Pixel = readonly [number, number];

function drawMark(context: CanvasRenderingContext2D, [x, y]: Pixel, radius: number): void {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}

function drawArrow(context: CanvasRenderingContext2D, [x0, y0]: Pixel, [x1, y1]: Pixel, dash: readonly number[]): void {
  const length = Math.hypot(x1 - x0, y1 - y0);
  const [ux, uy] = [(x1 - x0) / length, (y1 - y0) / length];
  const head = Math.min(9, length / 2);
  context.setLineDash([...dash]);
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1 - ux * head, y1 - uy * head);
  context.stroke();
  context.setLineDash([]);
  context.beginPath();
  context.moveTo(x1, y1);
  for (const side of [1, -1])
    context.lineTo(x1 - ux * head - side * uy * head * 0.5, y1 - uy * head + side * ux * head * 0.5);
  context.fill();
}

/** Beside the middle of the arrow, to its left, on a rim of the ground's colour. */
function drawLabel(context: CanvasRenderingContext2D, label: string, [x0, y0]: Pixel, [x1, y1]: Pixel): void {
  const length = Math.hypot(x1 - x0, y1 - y0);
  const isMark = length < shortest;
  const [x, y] = isMark
    ? [x1 + 14, y1 - 10]
    : [(x0 + x1) / 2 + (11 * (y1 - y0)) / length, (y0 + y1) / 2 - (11 * (x1 - x0)) / length];
  const pieces = piecesOf(label).map(({ text, isBelow }) => {
    const font = `600 ${isBelow ? 10 : 14}px ui-sans-serif, system-ui, sans-serif`;
    context.font = font;
    return { text, font, down: isBelow ? 4 : 0, width: context.measureText(text).width };
  });
  let left = x - pieces.reduce((sum, { width }) => sum + width, 0) / 2;
  context.lineWidth = 3;
  context.lineJoin = "round";
  context.textAlign = "left";
  context.textBaseline = "middle";
  for (const { text, font, down, width } of pieces) {
    context.font = font;
    context.strokeText(text, left, y + down);
    context.fillText(text, left, y + down);
    left += width;
  }
}

/** A label in pieces; a letter after `_` stands below. */
export function piecesOf(label: string): { readonly text: string; readonly isBelow: boolean }[] {
  return label
    .split(/(_.)/u)
    .filter((text) => text !== "")
    .map((text) => ({ text: text.replace(/^_/, ""), isBelow: text.startsWith("_") }));
}
