/** What the page that trains and its worker say to each other: plain data. */
import type { BackendChoice } from "../protocol";
import type { Entry, Look, RecordFault, RunRecord, Settings } from "./record";

/** Rows of pictures: what the teacher draws in many steps, what it draws in one, and what the generator draws. */
export const rows = ["teacher", "before", "now"] as const;
export type RowOfPictures = (typeof rows)[number];

/** From the page to the worker. */
export type Order =
  /** Comes first: takes the run for this tab, and looks what is stored of it. */
  | { readonly kind: "open"; readonly files: string; readonly wasm: string }
  /** Trains from the start, or from where the run was saved. */
  | { readonly kind: "train"; readonly settings: Settings; readonly backend: BackendChoice; readonly resume: boolean }
  /** Ends the current iteration, saves, and stops. */
  | { readonly kind: "pause" }
  /** Asks for the generator as a file. */
  | { readonly kind: "download" }
  /** Removes all that is stored. */
  | { readonly kind: "delete" };

/** From the worker to the page. */
export type Report =
  /** Another tab has the run; this one waits until it is free. */
  | { readonly kind: "busy" }
  | Opened
  /** What is being done before there is a first iteration. */
  | { readonly kind: "stage"; readonly text: string }
  /** Which backend runs and why, in one line. */
  | { readonly kind: "backend"; readonly line: string }
  | Pictures
  /** Training begins after that iteration; the record ends there. */
  | { readonly kind: "begun"; readonly iteration: number; readonly record: RunRecord }
  /** An iteration is over; `tensors` live on the backend. */
  | { readonly kind: "iteration"; readonly entry: Entry; readonly tensors: number; readonly bytes: number }
  | { readonly kind: "look"; readonly look: Look }
  /** The run is saved up to that iteration. */
  | {
      readonly kind: "saved";
      readonly iteration: number;
      /** Whether it outlives this tab. */
      readonly stored: boolean;
    }
  /** Work goes on, in batches that take long on slow machines. */
  | { readonly kind: "alive" }
  /** Told beside the run, which goes on. */
  | { readonly kind: "warning"; readonly message: string }
  | { readonly kind: "stopped"; readonly iteration: number; readonly finished: boolean }
  | { readonly kind: "generator"; readonly bytes: Uint8Array<ArrayBuffer>; readonly iteration: number }
  | { readonly kind: "deleted" }
  /** An order could not be carried out, or training broke off; what was saved is whole. */
  | {
      readonly kind: "failed";
      readonly order: Order["kind"];
      readonly code: string | undefined;
      readonly message: string;
    };

export interface Opened {
  readonly kind: "opened";
  /** Why nothing outlives this tab; undefined where the browser stores the run. */
  readonly unstored: string | undefined;
  /** What is stored of a run. */
  readonly record: RunRecord | undefined;
  /** What is wrong with what is stored, where it is no run that can go on. */
  readonly fault: RecordFault | undefined;
  /** Whether there is a generator to download. */
  readonly hasGenerator: boolean;
}

/** One picture for each caption. */
export interface Pictures {
  readonly kind: "pictures";
  readonly row: RowOfPictures;
  readonly iteration: number;
  /** Picture by picture and row by row: red, green, blue and 255. */
  readonly pixels: Uint8ClampedArray<ArrayBuffer>;
}
