/** Time: a slider, and a strip of small fields at several levels of noise. */
import { defaultLook, lookRanges } from "../look";
import type { ContenderView } from "../protocol";
import type { LabState } from "../state";
import { drawField, drawShade, makeBoard } from "./canvas";
import { fieldsExtent, type Scene } from "./card";
import { button, freshId, make } from "./dom";
import { arrowsOf, gainOf } from "./fields";

/** Levels of the strip, as shares of the time. */
export const levels = [0.05, 0.15, 0.3, 0.5, 0.7, 0.9] as const;

/** A share of the time as the process counts it. */
export function timeOf(process: LabState["process"], share: number): number {
  return process === "ddpm" ? Math.min(999, Math.round(1000 * share)) : share;
}

export interface Filmstrip {
  readonly element: HTMLElement;
  /** The share of the time that is chosen. */
  readonly share: number;
  /** Chooses another; tells nobody. */
  choose(share: number): void;
  /** Sets up for a state. */
  open(state: LabState): void;
  /** New frames, whose fields are the chosen one and one for each level. */
  take(views: readonly ContenderView[]): void;
  /** Draws the strip where there is something new. */
  draw(scene: Scene): void;
}

export function makeFilmstrip(onTime: () => void): Filmstrip {
  const id = freshId();
  const { least: min, most: max } = lookRanges.time;
  const slider = make("input", { type: "range", id, min, max, step: 0.01, value: defaultLook.time });
  const said = make("output", { for: id });
  const strip = make("div", { class: "lab-strip", role: "group", "aria-label": "Levels of noise" });
  const element = make(
    "section",
    { class: "lab-time", "aria-label": "Level of noise" },
    make("div", { class: "lab-slider-line" }, make("label", { for: id }, "Noise level of the fields, t"), slider, said),
    strip,
  );
  let process: LabState["process"] = "ddpm";
  let frames: { choose: HTMLButtonElement; boards: ReturnType<typeof makeBoard>[] }[] = [];
  let views: readonly ContenderView[] | undefined;
  let saidOf: number | undefined;

  const tell = () => {
    const t = timeOf(process, Number(slider.value));
    slider.setAttribute("aria-valuetext", `t = ${t}`);
    if (saidOf !== t) said.textContent = `t = ${t}`;
    saidOf = t;
    for (const [i, { choose }] of frames.entries())
      choose.setAttribute("aria-pressed", String(Math.abs(Number(slider.value) - (levels[i] as number)) < 0.005));
  };
  const change = () => {
    tell();
    onTime();
  };
  slider.addEventListener("input", change);

  return {
    element,
    get share() {
      return Number(slider.value);
    },
    choose(share) {
      slider.value = String(share);
      tell();
    },
    open(state) {
      process = state.process;
      views = undefined;
      frames = levels.map((level) => {
        const canvases = state.contestants.map(() => make("canvas", { "aria-hidden": "true" }));
        const note = make("span", { class: "lab-note" }, `t = ${timeOf(process, level)}`);
        const choose = button("", () => {
          slider.value = String(level);
          change();
        });
        choose.append(...canvases, note);
        return { choose, boards: canvases.map((canvas) => makeBoard(canvas, fieldsExtent)) };
      });
      strip.replaceChildren(...frames.map(({ choose }) => choose));
      tell();
    },
    take(next) {
      views = next;
      const [chosen] = views[0]?.fields ?? [];
      if (chosen)
        said.textContent = `t = ${timeOf(process, Number(slider.value))}: x_t = ${chosen.alpha.toFixed(2)} x + ${chosen.sigma.toFixed(2)} ε`;
    },
    draw({ law, class: c, palette, backdrops }) {
      for (const [k, view] of views?.entries() ?? [])
        for (const [i, { boards }] of frames.entries()) {
          const [board, fields] = [boards[k], view.fields[i + 1]];
          if (board === undefined || fields === undefined) continue;
          board.clear();
          const { alpha, sigma, xt } = fields;
          drawShade(board, backdrops.of(law, c, { alpha, sigma, extent: board.extent }, palette.law));
          const arrows = arrowsOf(fields, fields.fake ? "difference" : "teacher");
          drawField(board, xt, arrows, { colour: palette.difference, gain: gainOf(arrows) });
        }
      views = undefined;
    },
  };
}
