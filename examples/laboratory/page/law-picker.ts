/** The law: one of the prepared, or a drawing. */
import type { Law } from "../../plane/law";
import { preparedLaws, type Stroke } from "../laws";
import type { LabState } from "../state";
import { make } from "./dom";
import { makePad } from "./drawing-pad";
import { makeChoice } from "./inputs";
import { worthOf } from "./pad";
import { channels } from "./palette";
import { densityOfLaw, shade } from "./shading";

const titles = {
  ring: "Ring",
  moons: "Moons",
  spiral: "Spiral",
  letter: "Letter",
  grid: "Grid",
  blobs: "Blobs",
} as const satisfies Readonly<Record<keyof typeof preparedLaws, string>>;

/** A law as a small picture. */
function pictureOf(law: Law, colour: string): HTMLCanvasElement {
  const picture = shade(densityOfLaw(law, undefined, { alpha: 1, sigma: 0.03, extent: 2.1 }), channels(colour), 1);
  picture.setAttribute("aria-hidden", "true");
  return picture;
}

/** What was drawn last, though another law may be looked at. */
export interface Drawing {
  strokes: readonly Stroke[];
}

export interface LawPicker {
  readonly element: HTMLElement;
  /** Draws the small pictures in another colour. */
  recolour(colour: string): void;
}

/** The picker for a state's law. */
export function makeLawPicker(
  { law }: LabState,
  colour: string,
  drawing: Drawing,
  onChange: (law: LabState["law"]) => void,
): LawPicker {
  const room = make("div");
  if (typeof law !== "string") drawing.strokes = law;
  const open = () => {
    makePad(room, {
      strokes: drawing.strokes,
      onChange(strokes) {
        drawing.strokes = strokes;
        // The pad itself says what is no law yet.
        if (worthOf(strokes).law) onChange(strokes);
      },
    });
  };
  const pictured = Object.entries(titles).map(([name, title]) => {
    const picture = (colour: string) => pictureOf(preparedLaws[name as keyof typeof titles], colour);
    return { name, picture, label: make("span", { class: "lab-law" }, picture(colour), title) };
  });
  const choices = pictured.map(({ name, label }) => [name, label] as const);
  const pencil = make(
    "span",
    { class: "lab-law" },
    make("span", { class: "lab-pencil", "aria-hidden": "true" }, "✎"),
    "Draw it",
  );
  const choice = makeChoice(
    { legend: "Law", value: typeof law === "string" ? law : "drawn" },
    [...choices, ["drawn", pencil] as const],
    (value) => {
      room.replaceChildren();
      if (value === "drawn") {
        open();
        if (worthOf(drawing.strokes).law) onChange(drawing.strokes);
      } else onChange(value as keyof typeof titles);
    },
  );
  choice.classList.add("lab-laws");
  if (typeof law !== "string") open();
  return {
    element: make("div", { class: "lab-law-picker" }, choice, room),
    recolour(colour) {
      for (const { label, picture } of pictured) label.firstChild?.replaceWith(picture(colour));
    },
  };
}
