/** Things to move and to choose: a number on a slider, a word of a list, one of a few. */
import { freshId, make } from "./dom";
import type { NumberSetting } from "./settings";

export interface NumberInput {
  readonly element: HTMLElement;
  set(value: number): void;
}

export interface NumberInputOptions extends NumberSetting {
  readonly value: number;
  /** What it may be altogether. */
  readonly range: { readonly least: number; readonly most: number };
  /** The number is chosen; live ones are while they move. */
  readonly onChange: (value: number) => void;
}

/** A slider and a field beside it, which takes numbers that the slider does not reach. */
export function makeNumber(options: NumberInputOptions): NumberInput {
  const { label, hint, least, most, step, logarithmic, live, value, range, onChange } = options;
  const [slider, field, told] = [freshId(), freshId(), freshId()];
  const hundred = (x: number) => (100 * Math.log(x / least)) / Math.log(most / least);
  const onSlider = (x: number) => (logarithmic ? (x <= 0 ? -5 : Math.max(0, hundred(x))) : x);
  const ofSlider = (x: number) => {
    if (!logarithmic) return Number(x.toFixed(4));
    return x < 0 ? 0 : Number((least * (most / least) ** (x / 100)).toPrecision(2));
  };
  const bounds = logarithmic
    ? { min: logarithmic === "from 0" ? -5 : 0, max: 100, step: 1 }
    : { min: least, max: most, step };
  const bar = make("input", { type: "range", id: slider, ...bounds, "aria-describedby": told });
  const entry = make("input", {
    ...{ type: "number", id: field, min: range.least, max: range.most, step: "any" },
    "aria-label": `${label}, as a number`,
  });
  const set = (next: number) => {
    bar.value = String(onSlider(next));
    bar.setAttribute("aria-valuetext", String(next));
    entry.value = String(next);
  };
  const fromBar = () => {
    const next = ofSlider(Number(bar.value));
    bar.setAttribute("aria-valuetext", String(next));
    entry.value = String(next);
    return next;
  };
  bar.addEventListener("input", () => {
    const next = fromBar();
    if (live) onChange(next);
  });
  bar.addEventListener("change", () => {
    if (!live) onChange(fromBar());
  });
  entry.addEventListener("change", () => {
    const next = entry.valueAsNumber;
    if (Number.isFinite(next)) bar.value = String(onSlider(next));
    onChange(next);
  });
  set(value);
  const element = make(
    "div",
    { class: "lab-number" },
    make("label", { for: slider }, label),
    entry,
    bar,
    make("small", { id: told }, hint),
  );
  return { element, set };
}

export interface SelectOptions {
  readonly label: string;
  readonly hint?: string;
  readonly value: string;
  /** Whether the label is for those only who do not see the page. */
  readonly hidden?: boolean;
}

/** A word of a list. */
export function makeSelect(
  { label, hint, value, hidden = false }: SelectOptions,
  words: Readonly<Record<string, readonly (readonly [value: string, text: string])[]>>,
  onChange: (value: string) => void,
): HTMLElement {
  const id = freshId();
  const options = Object.entries(words).flatMap(([group, list]) => {
    const own = list.map(([word, text]) => make("option", { value: word, selected: word === value }, text));
    return group === "" ? own : [make("optgroup", { label: group }, ...own)];
  });
  const select = make("select", { id, "aria-label": hidden && label }, ...options);
  select.addEventListener("change", () => onChange(select.value));
  return make(
    "div",
    { class: "lab-select" },
    ...(hidden ? [] : [make("label", { for: id }, label)]),
    select,
    ...(hint ? [make("small", {}, hint)] : []),
  );
}

/** One of a few, all of which are seen. */
export function makeChoice<V extends string>(
  { legend, value, id }: { readonly legend: string; readonly value: V; readonly id?: string },
  choices: readonly (readonly [value: V, content: Node | string])[],
  onChange: (value: V) => void,
): HTMLFieldSetElement {
  const name = id ?? freshId();
  const labels = choices.map(([one, content]) => {
    const radio = make("input", { type: "radio", name, value: one, checked: one === value });
    radio.addEventListener("change", () => onChange(one));
    return make("label", {}, radio, make("span", {}, content));
  });
  return make("fieldset", { class: "lab-choice" }, make("legend", {}, legend), make("div", {}, ...labels));
}
