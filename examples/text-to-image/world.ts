import type { Tensor4D } from "@tensorflow/tfjs-core";
import type { RandomStream } from "sid-lsg";
import type { Heads } from "./classifier";
import type { PictureFormat } from "./picture-format";

/** What one picture shows, aspect by aspect: `{ object: "cat", colour: "blue", size: "small" }`. */
export type Scene = Readonly<Record<string, string>>;

/** Scenes like those that were trained on, and scenes whose words never met in training. */
export const groupNames = ["trained", "heldOut"] as const;
export type GroupName = (typeof groupNames)[number];

/** Something that captions speak of. */
export interface Subject<S extends Scene = Scene> {
  /** What captions speak of, and what each can be: what the judge reads. */
  readonly aspects: Heads;
  /** Every word of a caption, in the order of the token ids. */
  readonly words: readonly string[];
  readonly pictures: PictureFormat;
  readonly recipe: Recipe;
  /** Captions of the picture that a run ends with. */
  readonly prompts: readonly string[];
  /** `count` scenes of the group at random. */
  drawScenes(group: GroupName, count: number, stream: RandomStream): S[];
  /** A caption of the scene in random words. */
  caption(scene: S, stream: RandomStream): string;
  /** What a caption asks for; undefined where that is no scene of this world. */
  sceneOf(caption: string): S | undefined;
  isHeldOut(scene: S): boolean;
}

/** The same with all that the job needs on a disk. */
export interface World<S extends Scene = Scene> extends Subject<S> {
  /** Where it is exported as `world`, for other processes. */
  readonly module: string;
  /** The command that distils its teacher. */
  readonly command: string;
  /** Where a run writes, unless the command line says otherwise. */
  readonly out: string;
  /** The committed teacher, a diffusers-style folder. */
  readonly teacherFolder: string;
  /** The committed weights of the judge. */
  readonly judgeFile: string;
  /** Reads the real pictures from the disk. */
  loadPictures(): RealPictures<S>;
}

/** The world's real pictures. */
export interface RealPictures<S extends Scene = Scene> {
  /** One for each scene, standardised, `[B, size, size, 3]`; the caller owns it. */
  draw(scenes: readonly S[], stream: RandomStream): Tensor4D;
}

/** How the world's teacher is distilled, where the command line does not say. */
export interface Recipe {
  readonly iterations: number;
  /** Captions per training step. */
  readonly batch: number;
  readonly learningRate: number;
  /** Guidance scale κ1 … κ4. */
  readonly kappa: number;
  /** The α of the score-identity loss. */
  readonly alpha: number;
  /** Half-life of the moving average, in pictures, and how much of the run so far it may be. */
  readonly ema: { readonly halfLife: number; readonly rampUp: number };
  /** Captions per group to measure on. */
  readonly captions: number;
}
