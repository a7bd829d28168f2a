/// <reference types="vite/client" />
/** Paper to draw a law on: with mouse, finger or pen, and with keys. */
import { inPlane, onPaper, paper, type Stroke } from "../laws";
import { button, freshId, make } from "./dom";
import css from "./drawing-pad.css?inline";
import { begin, choose, clear, finish, lead, openPad, type Pad, type Place, penWords, undo, worthOf } from "./pad";

export interface PadOptions {
  readonly strokes: readonly Stroke[];
  /** Called when a stroke is done, taken back or cleared; what is drawn need not be a law. */
  readonly onChange: (strokes: readonly Stroke[]) => void;
}

/** What the pen moves by with an arrow key, and with Shift as well. */
const [step, leap] = [paper / 40, paper / 8];
const ways: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, 1],
  ArrowDown: [0, -1],
};
const help =
  "By keys: the arrows move the pen (Shift: farther), Space sets it down and lifts it, 1 and 2 choose the class, Backspace takes back.";

/** Fills the element with a pad. */
export function makePad(element: HTMLElement, { strokes, onChange }: PadOptions): void {
  let pad: Pad = openPad(strokes);
  const [name, helpId] = [freshId(), freshId()];
  const sheet = shape("svg", {
    ...{ viewBox: `0 0 ${paper} ${paper}`, class: "pad-sheet", tabindex: 0, role: "application" },
    ...{ "aria-label": "Paper to draw a law on", "aria-describedby": helpId },
  });
  const [mixture, lines, pen] = [shape("g"), shape("g"), shape("g", { class: "pad-pen" })];
  sheet.append(mixture, lines, pen);
  const words = make("p", { class: "pad-words", role: "status" });
  const colours = ([0, 1] as const).map((c) => {
    const input = make("input", { type: "radio", name, value: c, checked: c === 0 });
    input.addEventListener("change", () => change(choose(pad, c)));
    const label = make("label", { class: `pad-class pad-class-${c}` }, input, c === 0 ? "first class" : "second class");
    return { input, label };
  });

  /** Takes another pad, and tells of it where the drawing is another. */
  function change(next: Pad): void {
    const before = pad;
    pad = next;
    draw();
    if (next.strokes === before.strokes) return;
    words.textContent = worthOf(next.strokes).words;
    onChange(next.strokes);
  }

  function draw(): void {
    const { law } = worthOf(pad.strokes);
    mixture.replaceChildren(
      ...(law?.means ?? []).map((mean, i) => {
        const [x, y] = onPaper(mean);
        const r = (2 * Math.sqrt(law?.variance ?? 0) * paper) / (inPlane([paper, 0])[0] - inPlane([0, 0])[0]);
        return shape("circle", { cx: x, cy: paper - y, r, class: `pad-gaussian pad-class-${law?.classes[i]}` });
      }),
    );
    lines.replaceChildren(
      ...[...pad.strokes, ...(pad.open ? [pad.open] : [])].map(({ class: c, points }) => {
        // A line of no length is a dot, as its ends are round.
        const all = points.length === 1 ? [...points, ...points] : points;
        const places = all.map(([x, y]) => `${x},${paper - y}`).join(" ");
        return shape("polyline", { points: places, class: `pad-stroke pad-class-${c}` });
      }),
    );
    const [x, y] = [pad.pen[0], paper - pad.pen[1]];
    const arm = paper / 40;
    pen.replaceChildren(
      shape("path", { d: `M${x - arm},${y}H${x + arm}M${x},${y - arm}V${y + arm}` }),
      ...(pad.open ? [shape("circle", { cx: x, cy: y, r: arm / 2, class: `pad-class-${pad.colour}` })] : []),
    );
  }

  const placeOf = ({ clientX, clientY }: PointerEvent): Place => {
    const { left, top, width, height } = sheet.getBoundingClientRect();
    return [(paper * (clientX - left)) / width, paper * (1 - (clientY - top) / height)];
  };
  let drawing: number | undefined;
  sheet.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || drawing !== undefined) return;
    drawing = event.pointerId;
    sheet.setPointerCapture(drawing);
    change(begin(pad, placeOf(event)));
  });
  sheet.addEventListener("pointermove", (event) => {
    if (event.pointerId !== drawing) return;
    const moves = event.getCoalescedEvents?.() ?? [];
    change((moves.length > 0 ? moves : [event]).map(placeOf).reduce(lead, pad));
  });
  const lift = (event: PointerEvent) => {
    if (event.pointerId !== drawing) return;
    drawing = undefined;
    change(finish(pad));
  };
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"] as const) sheet.addEventListener(end, lift);

  sheet.addEventListener("keydown", (event) => {
    const way = ways[event.key];
    if (drawing !== undefined || event.altKey) return;
    if (way) {
      const far = event.shiftKey ? leap : step;
      change(lead(pad, [pad.pen[0] + far * way[0], pad.pen[1] + far * way[1]]));
    } else if (event.key === " " || event.key === "Enter") change(pad.open ? finish(pad) : begin(pad, pad.pen));
    else if (event.key === "Escape" && pad.open) change(undo(pad));
    else if (event.key === "1" || event.key === "2") pick(event.key === "1" ? 0 : 1);
    else if (event.key === "Backspace" || event.key === "Delete") change(undo(pad));
    else if (event.key === "z" && (event.ctrlKey || event.metaKey)) change(undo(pad));
    else return;
    event.preventDefault();
    // What a drawing has become is said when it changes; else where the pen is.
    if (way || event.key === " " || event.key === "Enter") spoken.textContent = penWords(pad);
  });
  // A pen that was set down by keys is lifted where they leave.
  sheet.addEventListener("blur", () => change(finish(pad)));

  function pick(c: Stroke["class"]): void {
    (colours[c] as (typeof colours)[number]).input.checked = true;
    change(choose(pad, c));
  }

  const spoken = make("p", { class: "pad-spoken", "aria-live": "polite" });
  element.replaceChildren(
    make("style", {}, css),
    make(
      "div",
      { class: "pad" },
      make(
        "div",
        { class: "pad-tools" },
        make("fieldset", {}, make("legend", {}, "Draw"), ...colours.map(({ label }) => label)),
        button("Undo", () => change(undo(pad))),
        button("Clear", () => change(clear(pad))),
      ),
      sheet,
      words,
      make("p", { class: "pad-help", id: helpId }, help),
      spoken,
    ),
  );
  words.textContent = worthOf(pad.strokes).words;
  draw();
}

/** A shape of a drawing. */
function shape<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string | number>> = {},
): SVGElementTagNameMap[K] {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  return made;
}
