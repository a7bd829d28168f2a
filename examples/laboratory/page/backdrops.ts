/** Shades of the law, kept for as long as they are of use. */
import type { Law } from "../../plane/law";
import { channels } from "./palette";
import { densityOfLaw, type Noised, shade } from "./shading";

/** More are seldom on the page at once. */
const most = 40;
/** How strong the colour is where the law is densest. */
const strength = 0.55;

export interface Backdrops {
  /** The noised density of a class, of all where it is undefined. */
  of(law: Law, c: number | undefined, noised: Noised, colour: string): HTMLCanvasElement;
}

export function makeBackdrops(): Backdrops {
  const kept = new Map<string, HTMLCanvasElement>();
  let known: Law | undefined;
  return {
    of(law, c, noised, colour) {
      if (law !== known) kept.clear();
      known = law;
      const key = [c, noised.alpha, noised.sigma, noised.extent, colour].join();
      const found = kept.get(key) ?? shade(densityOfLaw(law, c, noised), channels(colour), strength);
      // The one that was used last stands last.
      kept.delete(key);
      kept.set(key, found);
      if (kept.size > most) kept.delete(kept.keys().next().value as string);
      return found;
    },
  };
}
