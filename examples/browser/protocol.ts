/** What the page and its worker say to each other: plain data. */

/** Backends that a browser may have, and the choice among them. */
export const backendChoices = ["auto", "webgpu", "webgl", "wasm", "cpu"] as const;
export type BackendChoice = (typeof backendChoices)[number];

/** Who draws. */
export type Artist = "generator" | "teacher";

/** The most pictures of one caption, each from noise of its own. */
export const mostPictures = 8;

/** From the page to the worker. */
export type Order =
  | Start
  /** Draws a caption with the generator; what is still being drawn for an earlier order is given up. */
  | {
      readonly kind: "draw";
      readonly id: number;
      readonly caption: string;
      readonly seed: number;
      /** Whether the teacher draws as well. */
      readonly withTeacher: boolean;
    }
  /** Gives the generator the weights of a safetensors file. */
  | { readonly kind: "open"; readonly file: File };

/** Comes first. */
export interface Start {
  readonly kind: "start";
  readonly backend: BackendChoice;
  /** The address of the folder with the backend's binaries. */
  readonly wasm: string;
  /** The address beside which the weights lie. */
  readonly files: string;
  /** Pictures of each caption. */
  readonly pictures: number;
}

/** From the worker to the page. */
export type Report =
  /** Which backend runs and why, in one line. */
  | { readonly kind: "backend"; readonly line: string }
  /** The networks are loaded; what follows is their first pass. */
  | { readonly kind: "loaded" }
  /** Everything is ready; captions are made of these words. */
  | { readonly kind: "ready"; readonly words: readonly string[] }
  | { readonly kind: "opened"; readonly name: string }
  | Pictures
  | Failure;

/** An order could not be carried out; what was there before still is. */
export interface Failure {
  readonly kind: "failed";
  readonly order: Order["kind"];
  /** That of the order, if it was to draw. */
  readonly id: number | undefined;
  /** That of a SidError. */
  readonly code: string | undefined;
  readonly message: string;
}

/** An artist's pictures, finished when `step` is `steps`. */
export interface Pictures {
  readonly kind: "pictures";
  /** That of the order. */
  readonly id: number;
  readonly artist: Artist;
  readonly step: number;
  readonly steps: number;
  /** Since the artist began, the reading of numbers included. */
  readonly milliseconds: number;
  /** Pixels along one side of a picture. */
  readonly size: number;
  /** Picture by picture and row by row: red, green, blue and 255. */
  readonly pixels: Uint8ClampedArray<ArrayBuffer>;
}
