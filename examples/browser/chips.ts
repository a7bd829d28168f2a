/** Buttons for what a caption may say: one group of radio buttons for each aspect. */
import { colours, type EmojiScene, isHeldOut, objects, palette, sizes } from "../quickstart/captions";
import { byId } from "./elements";

type Aspect = keyof EmojiScene;
const values: Readonly<Record<Aspect, readonly string[]>> = { object: objects, colour: colours, size: sizes };
const aspects = Object.keys(values) as Aspect[];

/** The plainest caption of a scene. */
export function captionOf({ object, colour, size }: EmojiScene): string {
  const words = [size === "small" ? "small" : "", colour === "own" ? "" : colour, object].filter((word) => word !== "");
  return [/^(?!uni)[aeiou]/.test(words[0] as string) ? "an" : "a", ...words].join(" ");
}

/** Says that training never saw a scene's object in its colour; empty where it did. */
export function unseen(scene: EmojiScene): string {
  return isHeldOut(scene) ? `✦ “${scene.colour} ${scene.object}” was never seen in training` : "";
}

/**
 * Puts the buttons on the page, with icons of the sheet. `choose` is told what a press changes; the function that comes back shows a scene in
 * the buttons, or none, for a caption that asks for nothing.
 */
export function makeChips(
  page: HTMLElement,
  sheet: URL,
  choose: (change: Partial<EmojiScene>) => void,
): (scene: EmojiScene | undefined) => void {
  page.style.setProperty("--sheet", `url("${sheet.href}")`);
  const chips = aspects.flatMap((aspect) => {
    const group = byId(page, aspect, HTMLElement);
    return values[aspect].map((value, i) => {
      const chip = makeChip(aspect, value, i);
      chip.input.addEventListener("change", () => choose({ [aspect]: value }));
      group.append(chip.label);
      return { ...chip, aspect, value };
    });
  });
  return (scene) => {
    for (const { aspect, value, label, input } of chips) {
      input.checked = scene?.[aspect] === value;
      const isUnseen = scene !== undefined && isHeldOut({ ...scene, [aspect]: value }) && aspect !== "size";
      label.toggleAttribute("data-unseen", isUnseen);
      input.setAttribute("aria-label", isUnseen ? `${label.title}, never seen in training` : label.title);
    }
  };
}

function makeChip(aspect: Aspect, value: string, index: number) {
  const label = document.createElement("label");
  const input = Object.assign(document.createElement("input"), { type: "radio", name: aspect, value });
  const face = Object.assign(document.createElement("span"), { className: "face" });
  const icon = Object.assign(document.createElement("i"), { className: `icon ${value}` });
  const name = Object.assign(document.createElement("span"), { className: "name" });
  name.textContent = value;
  label.title = value === "own" ? "own colours" : value;
  icon.style.setProperty("--index", String(index));
  icon.style.setProperty("--tint", tintOf(value));
  face.append(icon, name);
  label.append(input, face);
  return { label, input };
}

/** As CSS has it; all tints for what is no tint. */
function tintOf(value: string): string {
  const css = Object.entries(palette).map(([name, rgb]): [string, string] => [
    name,
    `rgb(${rgb.map((x) => Math.round(255 * x)).join(" ")})`,
  ]);
  return new Map(css).get(value) ?? `conic-gradient(${[...css, css[0]].map((entry) => entry?.[1]).join(", ")})`;
}
