/** What the page and its worker say to each other: plain data; arrays of numbers are handed over, not copied. */
import type { Divergence } from "sid-lsg/train";
import type { BackendChoice } from "../browser/protocol";
import type { Measured } from "./density";
import type { IdentityGaps } from "./identity";
import type { LabState } from "./state";
import type { Fields, FieldView, Points, Terms, TermsView } from "./views";

/** What is looked at while training runs; what is absent is not sent. */
export interface Views {
  /** Samples of each contender, of both classes together. */
  readonly samples: number;
  /** One field for each level of noise: a filmstrip has several. */
  readonly fields?: readonly FieldView[];
  readonly terms?: TermsView;
}

/** From the page to the worker. */
export type Order =
  /** Comes first. `wasmPath` is where the backend's binaries lie. */
  | { readonly kind: "start"; readonly backend: BackendChoice; readonly wasmPath?: string }
  /** Builds the stage of a state in place of the one before; then it stands still. */
  | { readonly kind: "open"; readonly id: number; readonly state: LabState; readonly views: Views }
  | { readonly kind: "run" }
  | { readonly kind: "pause" }
  /** One iteration of each contender. */
  | { readonly kind: "step" }
  | { readonly kind: "look"; readonly views: Views }
  /** Moves a step size while training runs; all else is another state. */
  | { readonly kind: "rate"; readonly contender: number; readonly rate: RateName; readonly value: number }
  /** Checks the identity behind SiD's loss on a contender's samples; takes a third of a second. */
  | { readonly kind: "identity"; readonly contender: number; readonly t: number };

export type RateName = "learningRate" | "fakeLearningRate";

/** From the worker to the page. */
export type Report =
  /** Which backend runs and why, in one line. */
  | { readonly kind: "backend"; readonly line: string }
  | { readonly kind: "pretraining"; readonly id: number; readonly done: number; readonly total: number }
  /** The stage is built; so many tensors there are now, as many after each opening of the state. */
  | { readonly kind: "opened"; readonly id: number; readonly tensors: number }
  | Frame
  | Reading
  | {
      readonly kind: "identity";
      readonly id: number;
      readonly iteration: number;
      readonly contender: number;
      readonly t: number;
      readonly gaps: IdentityGaps;
    }
  /** All iterations are done. */
  | { readonly kind: "done"; readonly id: number }
  /** An order could not be carried out, or training broke off. */
  | {
      readonly kind: "failed";
      /** Of the state that it was for; absent where no backend could be started. */
      readonly id?: number;
      readonly order: Order["kind"];
      readonly code: string | undefined;
      readonly message: string;
    };

/** What there is to see; at most thirty times a second, as soon as an iteration is over. */
export interface Frame {
  readonly kind: "frame";
  /** That of the order to open. */
  readonly id: number;
  readonly iteration: number;
  readonly contenders: readonly ContenderView[];
}

export interface ContenderView {
  /** By class. */
  readonly samples: readonly Points[];
  readonly fields: readonly Fields[];
  readonly terms: Terms | undefined;
  readonly loss: number;
  readonly divergence: Divergence | undefined;
}

/** How far each contender is from the law: once in a while, for it takes some time. */
export interface Reading {
  readonly kind: "reading";
  readonly id: number;
  readonly iteration: number;
  readonly measured: readonly Measured[];
}
