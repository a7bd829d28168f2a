/** Figures: what training sees, what the gauge says, and what is exactly so. */
import type { Measured } from "../density";
import { hasOneNoise } from "../methods";
import type { Frame, Reading, Report } from "../protocol";
import type { Contestant, LabState } from "../state";
import { drawCurve, type History, record } from "./curve";
import { button, make } from "./dom";
import type { Palette } from "./palette";
import { kinds, titleOf } from "./settings";

/** A row of the table. */
interface Figure {
  readonly title: string;
  readonly hint: string;
  /** Whether its curve is on a logarithmic axis that begins there. */
  readonly floor?: number;
}

const figures = {
  kl: {
    title: "Exact KL(generator ‖ law)",
    hint: "In nats, of the generator's average, both laws smoothed a little; ≥ where samples are too far away to be weighed.",
    floor: 0.02,
  },
  gauge: {
    title: "Gauge, at least",
    hint: "A lower bound of the divergence in nats, from what training computes anyway, and its standard error.",
  },
  lag: {
    title: "Lag",
    hint: "Of the fake score behind the generator: 0 where it is exact.",
  },
  loss: { title: "Loss", hint: "All that training sees. It does not say how good the generator is." },
  spread: { title: "Spread", hint: "Of the samples of a class, that of the law being 1." },
} as const satisfies Readonly<Record<string, Figure>>;

type FigureName = keyof typeof figures;
const names = Object.keys(figures) as FigureName[];

export interface Readout {
  readonly element: HTMLElement;
  open(state: LabState): void;
  takeFrame(frame: Frame): void;
  takeReading(reading: Reading): void;
  takeIdentity(report: Extract<Report, { kind: "identity" }>): void;
  /** Has the curves be drawn anew. */
  redraw(): void;
  /** Draws the curves where there is something new. */
  draw(palette: Palette): void;
}

/** Where the divergence is known from. */
const wholeNoise = "Only a laboratory knows it: the whole noise, pushed through.";
const manyDraws = "Where passes draw noises of their own: by 32,768 samples, else by the whole noise.";
/** Of the samples, what may be too far away before it is said. */
const mostClipped = 0.001;

/** Their methods ask no two scores at one noisy sample. */
const withoutGauge: readonly string[] = [...kinds["Without a fake score"], "tdm"];
const scoreIdentities: readonly string[] = kinds["Score identity"];

/** @param onIdentity - the identity of a contestant shall be checked. */
export function makeReadout(onIdentity: (contender: number) => void): Readout {
  const element = make("section", { class: "lab-readout", "aria-label": "Figures" });
  let iterations = 1;
  let contestants: LabState["contestants"] = [];
  let cells: Record<FigureName, HTMLElement[]>;
  let histories: Record<FigureName, History[]>;
  let curves: Record<FigureName, HTMLCanvasElement>;
  let identities: HTMLElement[] = [];
  let stale = false;

  const each = <V>(made: (name: FigureName) => V) =>
    Object.fromEntries(names.map((name) => [name, made(name)])) as Record<FigureName, V>;
  const put = (name: FigureName, i: number, iteration: number, value: number, text: string) => {
    const [history, cell] = [histories[name][i], cells[name][i]];
    if (history === undefined || cell === undefined) return;
    record(history, iteration, value);
    if (cell.textContent !== text) cell.textContent = text;
    stale = true;
  };

  return {
    element,
    open(state) {
      ({ iterations, contestants } = state);
      cells = each(() => contestants.map(() => make("td", {}, "–")));
      histories = each(() => contestants.map(() => ({ iterations: [], values: [] })));
      curves = each((name) =>
        make("canvas", { role: "img", "aria-label": `${figures[name].title} over the iterations` }),
      );
      const head = contestants.map(({ method }, i) =>
        make("th", { scope: "col" }, make("span", { class: "lab-letter" }, "AB"[i] as string), ` ${titleOf(method)}`),
      );
      const from = contestants.every(hasOneNoise) ? wholeNoise : manyDraws;
      const hintOf = (name: FigureName) => (name === "kl" ? `${figures.kl.hint} ${from}` : figures[name].hint);
      const checked = [...contestants.keys()].filter((i) =>
        scoreIdentities.includes((contestants[i] as Contestant).method),
      );
      const rows = names.map((name) =>
        make(
          "tr",
          { class: `lab-${name}` },
          make("th", { scope: "row" }, figures[name].title, make("small", {}, hintOf(name))),
          ...cells[name],
          make("td", { class: "lab-curve" }, curves[name]),
        ),
      );
      identities = contestants.map(() => make("p", { class: "lab-note" }));
      element.replaceChildren(
        make(
          "table",
          {},
          make("thead", {}, make("tr", {}, make("td"), ...head, make("th", { scope: "col" }, "over the iterations"))),
          make("tbody", {}, ...rows),
        ),
        ...(checked.length > 0
          ? [
              make(
                "div",
                { class: "lab-identity" },
                button("Check the identity", () => checked.forEach(onIdentity)),
                make(
                  "small",
                  {},
                  "With an exact fake score, is E[ω·δ·(f_φ − x_g)], the loss at α = 0, the distance E[ω·‖δ‖²]? Without guidance, at the noise level of the fields.",
                ),
                ...identities,
              ),
            ]
          : []),
      );
      stale = true;
    },
    takeFrame({ iteration, contenders }) {
      for (const [i, { loss, divergence }] of contenders.entries()) {
        if (iteration > 0) put("loss", i, iteration, loss, figure(loss));
        if (divergence === undefined) {
          const words = withoutGauge.includes(contestants[i]?.method ?? "") ? "none" : "not yet";
          if (iteration > 20) for (const name of ["gauge", "lag"] as const) put(name, i, iteration, Number.NaN, words);
          continue;
        }
        for (const [name, { value, standardError }] of [
          ["gauge", divergence.lowerBound],
          ["lag", divergence.lag],
        ] as const)
          put(name, i, iteration, value, `${figure(value)} ± ${figure(standardError)}`);
      }
    },
    takeReading({ iteration, measured }) {
      for (const [i, { kl, spread, covered, stray, clipped }] of measured.entries()) {
        put("kl", i, iteration, kl, divergenceFigure({ kl, clipped }));
        put(
          "spread",
          i,
          iteration,
          spread,
          `${figure(spread)}; ${covered} covered, ${(100 * stray).toFixed(0)} % astray`,
        );
      }
    },
    takeIdentity({ contender, gaps, t, iteration }) {
      const { none, l1 } = gaps;
      const line = identities[contender];
      if (line)
        line.textContent = `${"AB"[contender]}, iteration ${iteration}, t = ${t}: the loss at α = 0 misses the distance by ${share(none)} with ω = 1, by ${share(l1)} with ω = 1/mean|x_g − f_φ|.`;
    },
    redraw() {
      stale = true;
    },
    draw(palette) {
      if (!stale) return;
      stale = false;
      for (const name of names) {
        const { floor } = figures[name] as Figure;
        drawCurve(curves[name], histories[name], {
          ...{ iterations, colours: [palette.generator, palette.ink], grid: palette.grid },
          ...(floor !== undefined && { floor }),
        });
      }
    },
  };
}

/** A share with its error, as percents. */
function share({ value, standardError }: { readonly value: number; readonly standardError: number }): string {
  return `${(100 * value).toFixed(0)} ± ${(100 * standardError).toFixed(0)} %`;
}

/** The exact divergence; where samples are too far away to be weighed it is more than that. */
export function divergenceFigure({ kl, clipped }: Pick<Measured, "kl" | "clipped">): string {
  return `${Number.isFinite(kl) && clipped >= mostClipped ? "≥ " : ""}${figure(kl)}`;
}

/** A number in few letters. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return "no number";
  const size = Math.abs(value);
  return size >= 100 ? value.toFixed(0) : size >= 10 ? value.toFixed(1) : value.toFixed(2);
}
