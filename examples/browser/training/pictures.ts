/** The pictures of the quick start's captions: a card for each, with what the teacher and the generator draw. */
import { emoji } from "../../quickstart/emoji";
import { type Pictures, type RowOfPictures, rows } from "./protocol";

const names: Readonly<Record<RowOfPictures, string>> = {
  teacher: "teacher, 50 steps",
  before: "teacher, 1 step",
  now: "generator, 1 step",
};
const none = (caption: string | undefined, row: RowOfPictures) => `${caption}: no picture yet by the ${names[row]}`;
const { size } = emoji.pictures;

/** Fills an element with the cards; the function that comes back shows a row of pictures, or none of it. */
export function makePictures(element: HTMLElement): {
  show(pictures: Pictures): void;
  clear(row: RowOfPictures): void;
} {
  const canvases = new Map<RowOfPictures, HTMLCanvasElement[]>(rows.map((row) => [row, []]));
  for (const caption of emoji.prompts) {
    const card = document.createElement("figure");
    const scene = emoji.sceneOf(caption);
    const isUnseen = scene !== undefined && emoji.isHeldOut(scene);
    const title = document.createElement("figcaption");
    title.textContent = `${caption}${isUnseen ? " ✦" : ""}`;
    card.append(title);
    for (const row of rows) {
      const canvas = Object.assign(document.createElement("canvas"), { width: size, height: size });
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", none(caption, row));
      const name = document.createElement("span");
      name.textContent = names[row];
      const cell = document.createElement("div");
      cell.className = row;
      cell.append(canvas, name);
      card.append(cell);
      canvases.get(row)?.push(canvas);
    }
    element.append(card);
  }
  const each = 4 * size * size;
  return {
    show({ row, iteration, pixels }) {
      for (const [i, canvas] of (canvases.get(row) ?? []).entries()) {
        const part = pixels.subarray(i * each, (i + 1) * each);
        canvas.getContext("2d")?.putImageData(new ImageData(part, size, size), 0, 0);
        const after = row === "now" ? ` after ${iteration} iterations` : "";
        canvas.setAttribute("aria-label", `${emoji.prompts[i]}, drawn by the ${names[row]}${after}`);
      }
    },
    clear(row) {
      for (const [i, canvas] of (canvases.get(row) ?? []).entries()) {
        canvas.getContext("2d")?.clearRect(0, 0, size, size);
        canvas.setAttribute("aria-label", none(emoji.prompts[i], row));
      }
    },
  };
}
