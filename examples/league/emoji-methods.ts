import {
  csd,
  decoupledDmd,
  diffInstruct,
  dmd,
  dmd2,
  fDistill,
  fewStepSid,
  lcm,
  lsg,
  type Method,
  type RandomStream,
  sds,
  sid,
  sida,
  sidDit,
  sidLsg,
  sim,
  swiftBrush,
  tdm,
  vsd,
} from "sid-lsg";
import { bottleneckDiscriminator, type Discriminator, type GeneratorOptions, headDiscriminator } from "sid-lsg/models";
import type { DistillEma } from "sid-lsg/train";
import type { PlaneMethodName } from "../plane/methods";

/** How a method distils the quick start's teacher. */
export interface EmojiMethod {
  /** Its name in the literature, and its guidance. */
  readonly title: string;
  readonly method: Method;
  /** Whether it is shown real pictures; all others see captions alone. */
  readonly seesPictures?: true;
  /** @defaultValue one pass at t = 625, as the quick start's */
  readonly generator?: GeneratorOptions;
  /** @defaultValue the world's */
  readonly ema?: Omit<DistillEma, "target">;
  /** By the channels of the U-Net's features. */
  readonly discriminator?: (channels: number, weights: RandomStream) => Discriminator;
}

/** From noise, in four passes of which the last one learns. */
const fourSteps = { steps: 4, tInit: 999, gradientThrough: "last" } as const;
const fourDdim = { ...fourSteps, between: "ddim" } as const;

/** What the generators of four passes are before they learn: the teacher, asked so. (One pass is the reference `teacher1`.) */
export const fourPassStarts = { start4: fourSteps, start4Ddim: fourDdim } as const satisfies Readonly<
  Record<string, GeneratorOptions>
>;

const head =
  (reads: "fakeScore" | "teacher"): NonNullable<EmojiMethod["discriminator"]> =>
  (channels, weights) =>
    headDiscriminator({ name: "head", reads, channels, weights });

/**
 * All methods, aimed at pictures with the right words: κ = 1.5 where the method's default guides, none where it does not.
 * Updates of the fake score are as many as in the plane, fewer than in official codes where those have nine or ten. All
 * else is the method's default; what waits for images waits for as large a part of this short run.
 */
export const emojiMethods = {
  sid: { title: "SiD, no guidance", method: sid() },
  "sid-lsg": { title: "SiD-LSG, κ = 1.5", method: sidLsg({ guidance: lsg(1.5) }) },
  "few-step-sid": { title: "few-step SiD, Zero-CFG", method: fewStepSid(), generator: fourSteps },
  // The teacher is of DDPM: the weights are those of the flow's σ read as DDPM's.
  "sid-dit": {
    title: "SiD-DiT on DDPM, κ = 1.5",
    method: sidDit({ guidance: lsg(1.5), fakeUpdates: 2 }),
    generator: fourSteps,
  },
  sida: {
    title: "SiDA, no guidance",
    method: sida({ startsAt: 160, adversarialStartsAt: 800 }),
    seesPictures: true,
    discriminator: () => bottleneckDiscriminator(),
  },
  sds: { title: "SDS, κ = 1.5", method: sds({ guidanceScale: 1.5 }) },
  csd: { title: "CSD", method: csd() },
  vsd: { title: "VSD, κ = 1.5", method: vsd({ guidanceScale: 1.5, fakeUpdates: 2 }) },
  "swift-brush": {
    title: "SwiftBrush, κ = 1.5 in both",
    method: swiftBrush({ guidanceScale: 1.5, fakeUpdates: 2 }),
  },
  "diff-instruct": { title: "Diff-Instruct, no guidance", method: diffInstruct() },
  dmd: { title: "DMD, κ = 1.5", method: dmd({ guidanceScale: 1.5, fakeUpdates: 3 }) },
  dmd2: {
    title: "DMD2, κ = 1.5, with GAN",
    method: dmd2({ guidanceScale: 1.5, fakeUpdates: 3, adversarialWeight: 1e-3 }),
    seesPictures: true,
    discriminator: head("fakeScore"),
  },
  "decoupled-dmd": {
    title: "decoupled DMD, κ = 1.5",
    method: decoupledDmd({ guidanceScale: 1.5, fakeUpdates: 3 }),
  },
  tdm: {
    title: "TDM, κ = 1.5",
    method: tdm({ guidanceScale: 1.5, fakeUpdates: 3 }),
    generator: fourDdim,
  },
  sim: { title: "SIM, no guidance", method: sim() },
  "f-distill": {
    title: "f-distill, Jensen–Shannon, κ = 1.5",
    method: fDistill({ guidanceScale: 1.5, fakeUpdates: 2 }),
    seesPictures: true,
    discriminator: head("teacher"),
  },
  lcm: {
    title: "LCM, κ = 1.5",
    method: lcm({ guidanceScales: [1.5, 1.5] }),
    seesPictures: true,
    generator: fourSteps,
    ema: { halfLife: 216, rampUp: null }, // 0.95 of the old weights stay at a batch of 16
  },
} as const satisfies Readonly<Record<PlaneMethodName, EmojiMethod>>;
