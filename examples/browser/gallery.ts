/** The rows of pictures: one per artist, a canvas for each picture. */
import { byId } from "./elements";
import type { Artist, Pictures } from "./protocol";

export interface Gallery {
  /** Dims what an artist drew for an earlier order. */
  outdate(artist: Artist): void;
  /** Shows an artist's pictures, finished or not; those who want no motion see finished ones only. */
  hang(pictures: Pictures, caption: string): void;
}

/** Makes so many canvases for each artist. */
export function makeGallery(page: HTMLElement, count: number): Gallery {
  const stillness = matchMedia("(prefers-reduced-motion: reduce)");
  const row = (artist: Artist) => byId(page, artist, HTMLElement);
  const outdate = (artist: Artist) => {
    row(artist).dataset["of"] = "an earlier order";
  };
  for (const artist of ["generator", "teacher"] as const) {
    const canvases = Array.from({ length: count }, () => document.createElement("canvas"));
    for (const canvas of canvases) canvas.width = canvas.height = 24;
    row(artist).append(...canvases);
    outdate(artist);
  }
  return {
    outdate,
    hang({ artist, size, pixels, step, steps }, caption) {
      if (step < steps && stillness.matches) return;
      const { children, dataset } = row(artist);
      for (const [i, canvas] of [...children].entries()) {
        if (!(canvas instanceof HTMLCanvasElement)) continue;
        canvas.width = canvas.height = size;
        const part = pixels.subarray(i * size * size * 4, (i + 1) * size * size * 4);
        canvas.getContext("2d")?.putImageData(new ImageData(part, size, size), 0, 0);
      }
      delete dataset["of"];
      row(artist).setAttribute("aria-label", `Pictures of ${caption}, drawn by the ${artist}`);
    },
  };
}
