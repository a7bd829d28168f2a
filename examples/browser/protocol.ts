/** What the page and its worker say to each other: plain data. */

/** Backends that a browser may have, and the choice among them. */
export const backendChoices = ["auto", "webgpu", "webgl", "wasm", "cpu"] as const;
export type BackendChoice = (typeof backendChoices)[number];

/** Who draws. */
export type Artist = "generator" | "teacher";

/** From the page to the worker. */
export type Order =
  /** Comes first: which backend, and the address of the page, beside which the weights and binaries lie. */
  | { readonly kind: "start"; readonly backend: BackendChoice; readonly page: string }
  /** Draws a caption with both networks; what is still being drawn for an earlier order is given up. */
  | { readonly kind: "draw"; readonly id: number; readonly caption: string; readonly seed: number }
  /** Gives the generator the weights of a safetensors file. */
  | { readonly kind: "open"; readonly file: File };

/** From the worker to the page. */
export type Report =
  /** Which backend runs and why, in one line. */
  | { readonly kind: "backend"; readonly line: string }
  /** Everything is loaded; captions are made of these words. */
  | { readonly kind: "ready"; readonly words: readonly string[] }
  | { readonly kind: "opened"; readonly name: string }
  | Picture
  | Failure;

/** An order could not be carried out; what was there before still is. */
export interface Failure {
  readonly kind: "failed";
  readonly order: Order["kind"];
  /** That of a SidError. */
  readonly code: string | undefined;
  readonly message: string;
}

/** A picture, finished when `step` is `steps`. */
export interface Picture {
  readonly kind: "picture";
  /** That of the order. */
  readonly id: number;
  readonly artist: Artist;
  readonly step: number;
  readonly steps: number;
  /** Since the artist began, the reading of numbers included. */
  readonly milliseconds: number;
  /** 8 rows of 8 pixels: red, green, blue and 255. */
  readonly pixels: Uint8ClampedArray<ArrayBuffer>;
}
