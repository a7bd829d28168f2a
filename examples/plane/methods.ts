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
  noGuidance,
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
import {
  bottleneckDiscriminator,
  type Discriminator,
  type GeneratorOptions,
  headDiscriminator,
  networkDiscriminator,
} from "sid-lsg/models";
import { hidden, type Process, type World } from "./world";

/** How a method is shown in the plane. */
export interface PlaneMethod {
  /** Its name in the literature. */
  readonly title: string;
  readonly method: Method;
  /** What its theory says of where it leads. */
  readonly leads: string;
  /** Whether it should come nearer to the mixture. */
  readonly approaches: boolean;
  /** @defaultValue `"ddpm"` */
  readonly process?: Process;
  /** @defaultValue one pass at t = 625 */
  readonly generator?: GeneratorOptions;
  readonly iterations: number;
  readonly learningRate: number;
  /** @defaultValue as `learningRate` */
  readonly fakeLearningRate?: number;
  /** The prefix makes the names of its variables unique. */
  readonly discriminator?: (world: World, stream: RandomStream, prefix: string) => Discriminator;
}

const oneStep = { iterations: 600, learningRate: 5e-3 } as const;
const fourSteps = { steps: 4, gradientThrough: "last" } as const;

const matches = "With a perfect fake score the mixture is its only fixed point.";

/**
 * All methods with what suits a toy of two dimensions: step sizes for networks of ten thousand weights, and κ = 1 where the
 * method shall reach the mixture itself. All else is the method's default.
 */
export const planeMethods = {
  sid: { title: "SiD", method: sid(), leads: matches, approaches: true, ...oneStep },
  "sid-lsg": {
    title: "SiD-LSG, κ = 1.5",
    method: sidLsg({ guidance: lsg(1.5) }),
    leads: "Guided like the teacher in all places: a sharper law than the mixture.",
    approaches: true,
    ...oneStep,
  },
  "few-step-sid": {
    title: "few-step SiD, Zero-CFG",
    method: fewStepSid(),
    leads: "The fake score knows no class, so the class pulls as guidance does: beyond the mixture.",
    approaches: false,
    generator: { ...fourSteps, tInit: 999 },
    ...oneStep,
    learningRate: 2e-3,
  },
  "sid-dit": {
    title: "SiD-DiT, flow, κ = 1",
    method: sidDit({ guidance: noGuidance(), fakeUpdates: 2 }),
    leads: matches,
    approaches: true,
    process: "flow",
    generator: { ...fourSteps, tInit: 1 },
    ...oneStep,
  },
  sida: {
    title: "SiDA",
    method: sida({ startsAt: 5_000, adversarialStartsAt: 25_000 }),
    leads: "SiD and a discriminator that has seen the mixture.",
    approaches: true,
    discriminator: () => bottleneckDiscriminator(),
    ...oneStep,
  },
  sds: {
    title: "SDS, κ = 1",
    method: sds({ guidanceScale: 1 }),
    leads: "It descends the divergence and the information about x_g in x_t: the spread shrinks by design.",
    approaches: false,
    ...oneStep,
    iterations: 200,
    learningRate: 2e-3,
  },
  csd: {
    title: "CSD",
    method: csd(),
    leads: "Only the pull of the class: away from the other one, to no law at all.",
    approaches: false,
    ...oneStep,
    iterations: 100,
    learningRate: 2e-4,
  },
  vsd: {
    title: "VSD, κ = 1",
    method: vsd({ guidanceScale: 1, fakeUpdates: 2 }),
    leads: matches,
    approaches: true,
    ...oneStep,
  },
  "swift-brush": {
    title: "SwiftBrush, κ = 1.5 in both",
    method: swiftBrush({ guidanceScale: 1.5, fakeUpdates: 2 }),
    leads: "Both scores are guided alike, so the mixture is a fixed point.",
    approaches: true,
    ...oneStep,
  },
  "diff-instruct": { title: "Diff-Instruct", method: diffInstruct(), leads: matches, approaches: true, ...oneStep },
  dmd: {
    title: "DMD, κ = 1",
    method: dmd({ guidanceScale: 1, fakeUpdates: 3 }),
    leads: matches,
    approaches: true,
    ...oneStep,
  },
  dmd2: {
    title: "DMD2, κ = 1, with GAN",
    method: dmd2({ guidanceScale: 1, fakeUpdates: 3, adversarialWeight: 1e-2 }),
    leads: "The divergence, and a discriminator on the fake score's features that has seen the mixture.",
    approaches: true,
    discriminator: (_, weights, prefix) =>
      headDiscriminator({ name: `${prefix}head`, reads: "fakeScore", features: "vector", channels: hidden, weights }),
    ...oneStep,
  },
  "decoupled-dmd": {
    title: "decoupled DMD, κ = 1.5",
    method: decoupledDmd({ guidanceScale: 1.5, fakeUpdates: 3 }),
    leads: "The divergence, and a pull of guidance at another time: beyond the mixture.",
    approaches: true,
    ...oneStep,
  },
  tdm: {
    title: "TDM, 4 steps, κ = 1",
    method: tdm({ guidanceScale: 1, fakeUpdates: 3 }),
    leads: "Each pass matches the teacher within its own times.",
    approaches: true,
    generator: { ...fourSteps, tInit: 999, between: "ddim" },
    ...oneStep,
    learningRate: 2e-3,
  },
  sim: {
    title: "SIM, pseudo-Huber",
    method: sim({ distance: { huber: 0.1 } }),
    leads: matches,
    approaches: true,
    ...oneStep,
  },
  "f-distill": {
    title: "f-distill, Jensen–Shannon, κ = 1",
    method: fDistill({ guidanceScale: 1, fakeUpdates: 2 }),
    leads: "A discriminator's ratio weighs the divergence's gradient.",
    approaches: true,
    discriminator: ({ schedule }, weights, prefix) =>
      networkDiscriminator({ name: `${prefix}judge`, schedule, sampleShape: [2], weights }),
    ...oneStep,
  },
  lcm: {
    title: "LCM, κ = 1",
    method: lcm({ guidanceScales: [1, 1] }),
    leads: "The end of the teacher's own trajectory, with the bias of its steps; from noisy real samples.",
    approaches: true,
    generator: { tInit: 999 },
    ...oneStep,
    iterations: 1200,
  },
} as const satisfies Readonly<Record<string, PlaneMethod>>;

/** What `--method` may be. */
export type PlaneMethodName = keyof typeof planeMethods;
