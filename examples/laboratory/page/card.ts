/** What is seen of a contestant: its samples on the law, and the fields that move them. */
import type { Law } from "../../plane/law";
import type { ContenderView } from "../protocol";
import type { Contestant } from "../state";
import type { Fields } from "../views";
import { drawArrows } from "./arrows";
import type { Backdrops } from "./backdrops";
import { type Board, drawAxes, drawField, drawPoints, drawShade, makeBoard, marks } from "./canvas";
import { type Chaser, makeChaser } from "./chaser";
import { make } from "./dom";
import { makeEquation } from "./equation";
import { arrowsOf, type FieldName, gainOf } from "./fields";
import type { TermName } from "./notation";
import { channels, type Palette } from "./palette";
import { palettes } from "./palettes";
import { summaryOf, titleOf } from "./settings";
import { densityOfSamples, shade } from "./shading";
import { type Values, valuesOf } from "./values";

/** Half a side of the plane of samples. */
export const samplesExtent = 2.1;
/** Half a side of the plane of noised samples. */
export const fieldsExtent = 2.6;

/** What all cards show alike. */
export interface Scene {
  readonly law: Law;
  /** The class of the fields; no class is told where it is undefined. */
  readonly class: number | undefined;
  readonly palette: Palette;
  readonly backdrops: Backdrops;
}

const fieldNames: readonly FieldName[] = ["teacher", "fake", "difference"];

const captions: Readonly<Record<FieldName, readonly [string, string]>> = {
  teacher: ["Teacher", "score of the noised law"],
  fake: ["Fake score", "of the noised generator"],
  difference: ["Difference", "what moves the samples"],
};

export interface Card {
  readonly element: HTMLElement;
  /** The term of the equation that is pointed at. */
  readonly pointed: TermName | undefined;
  /** Says what of the contestant was moved; its equation stays. */
  name(contestant: Contestant): void;
  /** A new frame; `jump` where it does not go on from the one before. */
  take(view: ContenderView, scene: Scene, jump: boolean): void;
  /** Lets so many milliseconds pass, and draws. Returns whether anything moved. */
  draw(milliseconds: number, scene: Scene): boolean;
  /** Has the next drawing happen though nothing moved. */
  touch(): void;
}

interface FieldPanel {
  readonly name: FieldName;
  readonly board: Board;
  readonly note: HTMLElement;
  chaser: Chaser;
  gain: number;
}

export interface CardOptions {
  readonly letter: string;
  readonly contestant: Contestant;
  /** Address of the site's folder. */
  readonly site: string;
  /** Whether what moves shall be seen to move. */
  readonly smooth: () => boolean;
  /** Another term of the equation is pointed at, or none. */
  readonly onPoint: () => void;
}

/** The card of a contestant, without anything to see yet. */
export function makeCard({ letter, contestant, site, smooth, onPoint }: CardOptions): Card {
  const summary = make("small", {}, summaryOf(contestant));
  const heading = make("h2", {}, titleOf(contestant.method), " ", summary);
  const room = make("div", { class: "lab-equation" });
  const equation = makeEquation(room, {
    site,
    onPoint(term) {
      pointed = term;
      touched = true;
      onPoint();
    },
  });
  const samples = figure("lab-samples", "Samples", "orange, on the law they shall match, blue", samplesExtent);
  const panels = fieldNames.map((name): FieldPanel => {
    const [title, words] = captions[name];
    return {
      name,
      ...figure(`lab-field lab-${name}`, title, words, fieldsExtent),
      chaser: makeChaser(smooth),
      gain: 1,
    };
  });
  const element = make(
    "section",
    { class: "lab-card", "aria-label": `Method ${letter}` },
    make("header", {}, make("span", { class: "lab-letter", "aria-hidden": "true" }, letter), heading),
    make(
      "div",
      { class: "lab-views" },
      samples.element,
      make("div", { class: "lab-fields" }, ...panels.map(({ board }) => board.canvas.parentElement as HTMLElement)),
      room,
    ),
  );
  let dots: Chaser[] = [];
  let fields: Fields | undefined;
  let pointed: TermName | undefined;
  let values: Values | undefined;
  let fakeShade: HTMLCanvasElement | undefined;
  let touched = true;
  equation.show(contestant, undefined);

  function drawSamples({ law, class: chosen, palette, backdrops }: Scene): void {
    const { board } = samples;
    board.clear();
    drawAxes(board, palette.grid);
    const plain = { alpha: 1, sigma: 0, extent: board.extent };
    drawShade(board, backdrops.of(law, undefined, plain, palette.law));
    const { context } = board;
    for (const [c, { now }] of dots.entries()) {
      const others = pointed !== undefined || (chosen !== undefined && chosen !== c);
      context.globalAlpha = others ? 0.35 : 0.85;
      drawPoints(board, now, {
        mark: marks[c] ?? "dot",
        colour: palette.generator,
        radius: board.size > 250 ? 2 : 1.5,
      });
    }
    context.globalAlpha = 1;
    if (pointed && values) drawArrows(context, board.toPixels, values, pointed, palettes[palette.scheme]);
  }

  function drawPanel(panel: FieldPanel, { law, class: c, palette, backdrops }: Scene): void {
    const { board, name, chaser, gain } = panel;
    board.clear();
    drawAxes(board, palette.grid);
    if (fields === undefined) return;
    const { alpha, sigma, xt } = fields;
    if (name === "teacher") drawShade(board, backdrops.of(law, c, { alpha, sigma, extent: board.extent }, palette.law));
    if (name === "fake" && fields.fake) drawShade(board, fakeShade);
    if (name === "difference")
      for (const [k, { now }] of dots.entries())
        if (c === undefined || c === k)
          drawPoints(board, now, { mark: "dot", colour: palette.grid, radius: 1.2, scale: alpha });
    const colour = { teacher: palette.law, fake: palette.generator, difference: palette.difference }[name];
    drawField(board, xt, chaser.now, { colour, gain });
  }

  return {
    element,
    get pointed() {
      return pointed;
    },
    name(moved) {
      summary.textContent = summaryOf(moved);
    },
    take(view, { class: c, palette }, jump) {
      if (jump || dots.length !== view.samples.length) dots = view.samples.map(() => makeChaser(smooth));
      for (const [k, points] of view.samples.entries()) (dots[k] as Chaser).aim(points);
      [fields] = view.fields;
      values = view.terms && valuesOf(contestant, view.terms);
      equation.show(contestant, view.terms);
      touched = true;
      if (fields === undefined) return;
      const shown = view.samples.filter((_, k) => c === undefined || c === k);
      const density = densityOfSamples(shown, { ...fields, extent: fieldsExtent });
      fakeShade = shade(density, channels(palette.generator), 0.55);
      for (const panel of panels) {
        if (jump) panel.chaser = makeChaser(smooth);
        const arrows = arrowsOf(fields, panel.name);
        panel.chaser.aim(arrows);
        if (panel.name === "difference") magnify(panel, arrows);
        const missing = panel.name !== "teacher" && fields.fake === undefined;
        panel.note.textContent = missing
          ? "this method has none"
          : `${captions[panel.name][1]}${panel.gain > 1 ? `, ×${panel.gain}` : ""}`;
      }
    },
    draw(milliseconds, scene) {
      const moved = [...dots, ...panels.map(({ chaser }) => chaser)].map((chaser) => chaser.advance(milliseconds));
      if (!touched && !moved.includes(true)) return false;
      touched = false;
      drawSamples(scene);
      for (const panel of panels) drawPanel(panel, scene);
      return true;
    },
    touch() {
      touched = true;
    },
  };
}

/** Takes another magnification only where the one that is there is far off, so that it does not flicker. */
function magnify(panel: FieldPanel, arrows: Float32Array): void {
  const wanted = gainOf(arrows);
  if (wanted > 2 * panel.gain || wanted < panel.gain) panel.gain = wanted;
}

/** A board with its caption. */
function figure(name: string, title: string, words: string, extent: number) {
  const canvas = make("canvas", { role: "img", "aria-label": `${title}: ${words}` });
  const note = make("span", { class: "lab-note" }, words);
  const element = make("figure", { class: name }, canvas, make("figcaption", {}, make("b", {}, title), " ", note));
  return { element, board: makeBoard(canvas, extent), note };
}
