/** How a part of the site that computes comes and goes; the theme mounts it where a page says `<Live part="…"/>`. */

/** Where a part is. */
export interface Place {
  /** Address of the site's folder, in which `wasm/` lies; ends in a slash. */
  readonly site: string;
}

/** Ends a part: its worker, its listeners, and what it put into the element. */
export interface Unmount {
  (): void;
  /** Asks the user where something would be lost; false where they stay. Nothing is ever lost without. */
  readonly mayLeave?: () => boolean;
}

/** Fills an element. */
export type Mount = (element: HTMLElement, place: Place) => Unmount;
