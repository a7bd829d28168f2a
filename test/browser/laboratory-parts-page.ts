/** Parts of the laboratory's page by themselves, on terms that do not change. */

import type { Stroke } from "../../examples/laboratory/laws";
import { drawArrows } from "../../examples/laboratory/page/arrows";
import { makePad } from "../../examples/laboratory/page/drawing-pad";
import { makeEquation } from "../../examples/laboratory/page/equation";
import type { TermName } from "../../examples/laboratory/page/notation";
import { palettes } from "../../examples/laboratory/page/palettes";
import { valuesOf } from "../../examples/laboratory/page/values";
import type { Contestant } from "../../examples/laboratory/state";
import type { Terms } from "../../examples/laboratory/views";

const terms: Terms = {
  ...{ generated: Float32Array.of(1, 0), xt: Float32Array.of(0.5, 0.75), alpha: 0.5, sigma: 0.5 },
  answers: { teacher: Float32Array.of(-0.5, 1), fake: Float32Array.of(-0.62, 1.31) },
  gradient: Float32Array.of(-0.3, -0.6),
};

declare global {
  interface Window {
    pointed: (TermName | undefined)[];
    show(contestant: Contestant, withTerms?: boolean): void;
    /** Draws a term on a white ground. Returns the number of dots of its colour. */
    strokes: readonly Stroke[];
    draw(term: TermName | undefined, hue: keyof typeof palettes.light): number;
  }
}

document.body.style.margin = "0";
const place = document.body.appendChild(document.createElement("div"));
const paper = document.body.appendChild(document.createElement("div"));
window.strokes = [];
makePad(paper, {
  strokes: [],
  onChange: (strokes) => {
    window.strokes = strokes;
  },
});
const canvas = document.body.appendChild(document.createElement("canvas"));
[canvas.width, canvas.height] = [400, 400];
window.pointed = [];
let shown: Contestant = { method: "sid-lsg", alpha: 1.2, kappa2: 1, kappa4: 3 };
const equation = makeEquation(place, { site: "/a/", onPoint: (term) => window.pointed.push(term) });
window.show = (contestant, withTerms = true) => {
  shown = contestant;
  equation.show(contestant, withTerms ? terms : undefined);
};
window.show(shown);

window.draw = (term, hue) => {
  const context = canvas.getContext("2d", { willReadFrequently: true }) as CanvasRenderingContext2D;
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, 400, 400);
  drawArrows(context, (x, y) => [200 + 100 * x, 200 - 100 * y], valuesOf(shown, terms), term, palettes.light);
  const { data } = context.getImageData(0, 0, 400, 400);
  const wanted = [1, 3, 5].map((at) => Number.parseInt(palettes.light[hue].slice(at, at + 2), 16));
  let count = 0;
  for (let i = 0; i < data.length; i += 4)
    if (wanted.every((c, k) => Math.abs(c - (data[i + k] as number)) < 4)) count++;
  return count;
};
