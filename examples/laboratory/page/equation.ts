/// <reference types="vite/client" />
/** The equation of a contestant, whose terms can be pointed at; their numbers at one sample stand below it. */
import type { Contestant } from "../state";
import type { Terms } from "../views";
import css from "./equation.css?inline";
import { equationOf } from "./equations";
import { numeral, pair, type Term, type TermName, termsIn, textOf } from "./notation";
import { hues } from "./palettes";
import { linksOf } from "./sources";
import { isNumber, type Values, valuesOf } from "./values";

export interface EquationOptions {
  /** A term is pointed at, or none any more. */
  readonly onPoint: (term: TermName | undefined) => void;
  /** The address of the site's root, for links to files. */
  readonly site: string;
}

export interface EquationView {
  /** Shows a contestant's equation, with the numbers at one sample of the terms; undefined where there are none. */
  show(contestant: Contestant, terms: Terms | undefined, looked?: number): void;
}

const hint = "Point at a term of the equation, or go to it with the Tab key, to see it on the samples.";
const noTerms = "The terms of this method are not drawn: ";
const reasons: Partial<Record<Contestant["method"], string>> = {
  tdm: "its x_t is noised within a step of the generator's own chain.",
  lcm: "it learns from real samples, and asks no fake score.",
};

/** Fills the element with an equation, empty until the first `show`. */
export function makeEquation(element: HTMLElement, { onPoint, site }: EquationOptions): EquationView {
  const style = document.createElement("style");
  style.textContent = css;
  const lines = withClass("div", "equation-lines");
  lines.setAttribute("role", "group");
  const meaning = withClass("p", "equation-meaning");
  const numbers = withClass("ul", "equation-numbers");
  numbers.setAttribute("aria-label", "Numbers at the sample that is looked at");
  const links = withClass("p", "equation-links");
  element.classList.add("equation");
  element.replaceChildren(style, lines, meaning, numbers, links);

  let terms: readonly Term[] = [];
  let written = "";
  let resting = hint;
  let hovered: TermName | undefined;
  let focused: TermName | undefined;
  let pointed: TermName | undefined;
  let places = new Map<TermName, HTMLElement>();

  function point(): void {
    const next = hovered ?? focused;
    if (next === pointed) return;
    pointed = next;
    mark();
    onPoint(pointed);
  }

  /** Marks all places of the term that is pointed at, and says what it is. */
  function mark(): void {
    for (const piece of element.querySelectorAll<HTMLElement>("[data-term]"))
      piece.classList.toggle("pointed", piece.dataset["term"] === pointed);
    meaning.textContent = terms.find(({ name }) => name === pointed)?.words ?? resting;
  }

  const termOf = ({ target }: Event) =>
    target instanceof Element
      ? (target.closest<HTMLElement>("button[data-term]")?.dataset["term"] as TermName | undefined)
      : undefined;
  lines.addEventListener("pointerover", (event) => {
    if (event.pointerType === "mouse") hovered = termOf(event);
    point();
  });
  lines.addEventListener("pointerleave", () => {
    hovered = undefined;
    point();
  });
  lines.addEventListener("focusin", (event) => {
    focused = termOf(event);
    point();
  });
  lines.addEventListener("focusout", ({ relatedTarget }) => {
    // From term to term there is no moment without one.
    if (relatedTarget instanceof Element && relatedTarget.closest("button[data-term]")) return;
    focused = undefined;
    point();
  });
  // Not every browser gives a button that is pressed the focus.
  lines.addEventListener("click", (event) => {
    focused = termOf(event);
    point();
  });
  lines.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    hovered = undefined;
    focused = undefined;
    point();
  });

  function write(contestant: Contestant): void {
    const equation = equationOf(contestant);
    const text = equation.map(textOf);
    const all = [contestant.method, ...text].join("\n");
    if (all === written) return;
    written = all;
    terms = termsIn(equation);
    // The first of a term's places is its button: a way through the page by keys passes each once.
    const seen = new Set<TermName>();
    const rows = equation.map((line) => {
      const row = withClass("p", "equation-line");
      for (const piece of line) {
        if (typeof piece === "string") {
          row.append(piece);
          continue;
        }
        row.append(pieceOf(piece, !seen.has(piece.name)));
        seen.add(piece.name);
      }
      return row;
    });
    const held = focused;
    lines.setAttribute("aria-label", `Equation of the generator's step: ${text.join("; ")}`);
    lines.replaceChildren(...rows);
    places = new Map(
      terms.map((term) => {
        const item = withClass("li", "equation-number");
        const value = document.createElement("span");
        item.append(pieceOf(term, false), " = ", value);
        return [term.name, value];
      }),
    );
    numbers.replaceChildren(...Array.from(places.values(), (value) => value.parentElement as HTMLElement));
    links.replaceChildren(
      ...linksOf(contestant.method, site).flatMap(({ text: name, address }, i) => {
        const link = document.createElement("a");
        link.href = address;
        link.target = "_blank";
        link.rel = "noopener";
        link.textContent = name;
        return i === 0 ? [link] : [" · ", link];
      }),
    );
    // Numbers of an equation change while the reader stands on a term of it.
    if (held) lines.querySelector<HTMLElement>(`button[data-term="${held}"]`)?.focus();
    else {
      hovered = undefined;
      point();
    }
    mark();
  }

  return {
    show(contestant, looking, looked = 0) {
      const reason = reasons[contestant.method];
      resting = reason === undefined ? hint : noTerms + reason;
      write(contestant);
      const values = looking && valuesOf(contestant, looking);
      // The place stays where nothing is looked at, so that the page does not jump.
      numbers.hidden = reason !== undefined;
      if (pointed === undefined) meaning.textContent = resting;
      for (const [name, place] of places) place.textContent = values ? valueText(values, name, looked) : "–";
    },
  };
}

/** A term's number or pair of numbers at a sample. */
function valueText({ of }: Values, name: TermName, i: number): string {
  const values = of[name];
  if (values === undefined) return "–";
  if (isNumber(name)) return numeral(values[i] as number);
  return pair(values[2 * i] as number, values[2 * i + 1] as number);
}

/** A term as it is written: a button where it can be pointed at. */
function pieceOf({ name, symbol, below, words }: Term, isButton: boolean): HTMLElement {
  const piece = document.createElement(isButton ? "button" : "span");
  piece.className = "equation-term";
  piece.dataset["term"] = name;
  piece.dataset["hue"] = hues[name];
  piece.append(symbol);
  if (below !== undefined) {
    const sub = document.createElement("sub");
    sub.textContent = below;
    piece.append(sub);
  }
  if (isButton) {
    (piece as HTMLButtonElement).type = "button";
    piece.title = words;
    piece.setAttribute("aria-label", `${symbol}${below === undefined ? "" : ` ${below}`}: ${words}`);
  }
  return piece;
}

function withClass<K extends keyof HTMLElementTagNameMap>(tag: K, name: string): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  element.className = name;
  return element;
}
