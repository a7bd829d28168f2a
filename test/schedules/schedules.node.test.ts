import { readFileSync } from "node:fs";
import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import {
  type DdpmScheduleOptions,
  ddpmSchedule,
  edmSchedule,
  flowSchedule,
  logSnr,
  scheduleFromConfig,
  snr,
} from "../../src/schedules";
import { scheduleContract } from "../contracts/schedule-contract";
import { expectSidError } from "../support/errors";
import { notFinite } from "../support/values";

interface Tables {
  readonly indices: readonly number[];
  readonly betas: readonly number[];
  readonly alphasCumprod: readonly number[];
}
interface Case {
  readonly name: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly float32: Tables;
  readonly float64: Tables;
}
const golden = JSON.parse(readFileSync(new URL("../golden/schedules.json", import.meta.url), "utf8")) as Case[];

/** What test/golden/scheduler_classes.py writes. */
const diffusers: {
  readonly indices: readonly number[];
  readonly stableDiffusion: object;
  readonly classes: Readonly<
    Record<
      string,
      {
        readonly defaults: readonly number[];
        readonly stableDiffusion?: readonly number[];
        readonly zeroTerminalSnr?: readonly number[];
        readonly clips: boolean;
      }
    >
  >;
} = JSON.parse(readFileSync(new URL("../golden/scheduler-classes.json", import.meta.url), "utf8"));

for (const { name, config } of golden) scheduleContract(name, scheduleFromConfig(config).schedule);
scheduleContract("EDM", edmSchedule());
scheduleContract("EDM from 0", edmSchedule({ sigmaMin: 0, sigmaMax: 3 }));
scheduleContract("rectified flow", flowSchedule());

describe.each(golden)("diffusers' tables: $name", ({ config, float32, float64 }) => {
  const { schedule } = scheduleFromConfig(config);
  const at = (table: readonly number[], { indices }: Tables) => indices.map((i) => table[i] as number);
  const worst = (ours: readonly number[], theirs: readonly number[]) =>
    Math.max(...ours.map((value, i) => Math.abs(value - (theirs[i] as number))));

  test("in float64, to rounding", () => {
    expect(worst(at(schedule.alphasCumprod, float64), float64.alphasCumprod)).toBeLessThan(1e-13);
    expect(worst(at(schedule.betas, float64), float64.betas)).toBeLessThan(1e-11);
  });

  // diffusers multiplies up to 1000 float32 factors near 1, each rounded by up to 6e-8: in
  // practice the roundings cancel to within 1e-6. Its betas after a rescale are differences of
  // such products, and lose more.
  test("in float32, to the rounding of a product of float32 numbers", () => {
    expect(worst(at(schedule.alphasCumprod, float32), float32.alphasCumprod)).toBeLessThan(1e-6);
    expect(worst(at(schedule.betas, float32), float32.betas)).toBeLessThan(1e-4);
  });
});

test("the signal of Stable Diffusion at t = 625 is the recipe's", () => {
  const sd = ddpmSchedule({ betaSchedule: "scaled_linear", betaStart: 0.00085, betaEnd: 0.012 });
  expect(sd.alphasCumprod[625]).toBeCloseTo(0.13777, 5);
});

test("with zero terminal SNR the last timestep is pure noise and the first stays", () => {
  const plain = ddpmSchedule();
  const rescaled = ddpmSchedule({ zeroTerminalSnr: true });
  expect(rescaled.alpha(999)).toBe(0);
  expect(rescaled.sigma(999)).toBe(1);
  expect(snr(rescaled, 999)).toBe(0);
  expect(logSnr(rescaled, 999)).toBe(Number.NEGATIVE_INFINITY);
  expect(rescaled.alpha(0)).toBeCloseTo(plain.alpha(0), 14);
  expect(rescaled.betas[999]).toBe(1);
});

const betas = fc.array(fc.double({ min: 1e-4, max: 0.5, noNaN: true }), { minLength: 2, maxLength: 30 });

test.prop([betas, fc.boolean()])("betas and their products belong together", (given, zeroTerminalSnr) => {
  const { alphasCumprod, betas: own, numTimesteps } = ddpmSchedule({ betas: given, zeroTerminalSnr });
  expect(numTimesteps).toBe(given.length);
  let product = 1;
  own.forEach((beta, t) => {
    product *= 1 - beta;
    expect(product).toBeCloseTo(alphasCumprod[t] as number, 12);
  });
  if (!zeroTerminalSnr) expect(own).toEqual(given);
});

test("a flow's SNR is 1 in the middle and infinite without noise", () => {
  expect(snr(flowSchedule(), 0.5)).toBe(1);
  expect(snr(flowSchedule(), 0)).toBe(Number.POSITIVE_INFINITY);
});

describe("bad input", () => {
  test.prop([fc.constantFrom("numTimesteps", "betaStart", "betaEnd"), notFinite])(
    "options that are not finite",
    (key, value) => {
      expectSidError("not-finite", () => ddpmSchedule({ [key]: value }), new RegExp(key));
    },
  );

  test.prop([betas, notFinite, fc.nat()])("a beta that is not finite", (given, value, at) => {
    const spoilt = given.with(at % given.length, value);
    expectSidError("not-finite", () => ddpmSchedule({ betas: spoilt }), /betas\[\d+\]/);
  });

  test.prop([fc.oneof(fc.double({ min: 1, max: 9, noNaN: true }), fc.double({ min: -9, max: -1e-9, noNaN: true }))])(
    "betas outside [0, 1)",
    (beta) => {
      for (const options of [{ betaStart: beta }, { betaEnd: beta }, { betas: [0.1, beta] }])
        expectSidError("out-of-range", () => ddpmSchedule(options), /\[0, 1\)/);
    },
  );

  test.each<[string, DdpmScheduleOptions]>([
    ["no betas", { betas: [] }],
    ["betas of another length", { betas: [0.1, 0.2], numTimesteps: 3 }],
    ["betas that are no array", { betas: "0.1" as unknown as number[] }],
    ["a fraction of a timestep", { numTimesteps: 10.5 }],
    ["an unknown law", { betaSchedule: "cosine" as "linear" }],
  ])("%s", (_, options) => expectSidError("invalid-argument", () => ddpmSchedule(options)));

  test("no timesteps, or a signal that never falls", () => {
    expectSidError("out-of-range", () => ddpmSchedule({ numTimesteps: 0 }), /numTimesteps/);
    expectSidError("out-of-range", () => ddpmSchedule({ betas: [0.1], zeroTerminalSnr: true }), /falls/);
  });

  test("an empty or negative range of sigma", () => {
    expectSidError("out-of-range", () => edmSchedule({ sigmaMin: 2, sigmaMax: 2 }), /sigmaMax/);
    expectSidError("out-of-range", () => edmSchedule({ sigmaMin: -1 }), /sigmaMin/);
    expectSidError("not-finite", () => edmSchedule({ sigmaMax: Number.POSITIVE_INFINITY }), /sigmaMax/);
  });
});

describe("scheduleFromConfig", () => {
  test.each([
    ["epsilon", "eps"],
    ["sample", "x0"],
    ["v_prediction", "v"],
  ])("prediction_type %s is %s", (prediction_type, predicts) => {
    expect(scheduleFromConfig({ prediction_type }).predicts).toBe(predicts);
  });

  test("a real file: Stable Diffusion 1.5", () => {
    const file = {
      _class_name: "PNDMScheduler",
      _diffusers_version: "0.6.0",
      beta_end: 0.012,
      beta_schedule: "scaled_linear",
      beta_start: 0.00085,
      clip_sample: false,
      num_train_timesteps: 1000,
      set_alpha_to_one: false,
      skip_prk_steps: true,
      steps_offset: 1,
      trained_betas: null,
    };
    const { schedule, predicts, sampling } = scheduleFromConfig(file);
    const same = ddpmSchedule({ betaSchedule: "scaled_linear", betaStart: 0.00085, betaEnd: 0.012 });
    expect(schedule.alphasCumprod).toEqual(same.alphasCumprod);
    expect(predicts).toBe("eps");
    expect(sampling).toEqual({ spacing: "leading", stepsOffset: 1, setAlphaToOne: false, clip: undefined });
  });

  test.each(Object.entries(diffusers.classes))("%s has the forward process that diffusers gives it", (name, wanted) => {
    const read = (json: object) => scheduleFromConfig({ _class_name: name, ...json });
    const near = (json: object, table: readonly number[] | undefined) =>
      table?.forEach((alpha, i) => {
        const t = diffusers.indices[i] as number;
        // Solvers that divide by it put 2⁻²⁴ for the last ᾱ = 0 of the training.
        expect(read(json).schedule.alphasCumprod[t], `ᾱ at ${t}`).toBeCloseTo(alpha === 2 ** -24 ? 0 : alpha, 6);
      });
    near({}, wanted.defaults);
    near(diffusers.stableDiffusion, wanted.stableDiffusion);
    near({ ...diffusers.stableDiffusion, rescale_betas_zero_snr: true }, wanted.zeroTerminalSnr);
    expect(read({}).sampling.clip).toBe(wanted.clips ? 1 : undefined);
    expect(read({ clip_sample: true, clip_sample_range: 2 }).sampling.clip).toBe(2);
    expect(read({ use_karras_sigmas: true, timestep_scaling: 10 }).schedule.alphasCumprod).toEqual(
      read({}).schedule.alphasCumprod,
    );
  });

  test.each(["clip_sample", "set_alpha_to_one", "rescale_betas_zero_snr", "thresholding", "use_flow_sigmas"])(
    "%s: null is off",
    (key) => {
      const plain = (json: object) => {
        const { schedule, ...rest } = scheduleFromConfig(json);
        return { ...rest, betas: schedule.betas };
      };
      expect(plain({ [key]: null })).toEqual(plain({ [key]: false }));
    },
  );

  test("how to sample, with the defaults of DDIMScheduler", () => {
    expect(scheduleFromConfig({}).sampling).toEqual({
      spacing: "leading",
      stepsOffset: 0,
      setAlphaToOne: true,
      clip: 1,
    });
    const json = { _class_name: "DDIMScheduler", timestep_spacing: "trailing", clip_sample_range: 2.5 };
    expect(scheduleFromConfig(json).sampling).toMatchObject({ spacing: "trailing", clip: 2.5 });
    expect(scheduleFromConfig({ ...json, clip_sample: false }).sampling.clip).toBeUndefined();
  });

  test.each([
    ["_class_name", "FlowMatchEulerDiscreteScheduler"],
    ["_class_name", "EDMEulerScheduler"],
    ["beta_schedule", "sigmoid"],
    ["beta_schedule", 3],
    ["prediction_type", "flow_prediction"],
    ["use_flow_sigmas", true],
    ["thresholding", true],
    ["timestep_type", "continuous"],
    ["_class_name", "CogVideoXDDIMScheduler"],
    ["_class_name", "IPNDMScheduler"],
    ["_class_name", "toString"],
    ["timestep_spacing", "log"],
  ])("%s %s is refused by name", (key, value) => {
    expectSidError("unsupported", () => scheduleFromConfig({ [key]: value }), new RegExp(`${key}.*${value}`));
  });

  test.prop([
    fc.constantFrom("beta_start", "beta_end", "num_train_timesteps", "steps_offset", "clip_sample_range"),
    fc.oneof(fc.string(), fc.boolean()),
  ])("values of the wrong kind", (key, value) =>
    expectSidError(
      "invalid-argument",
      () => scheduleFromConfig({ [key]: value }),
      RegExp(`^scheduleFromConfig: ${key}`),
    ),
  );

  test.each<[string, object, Parameters<typeof expectSidError>[0], RegExp]>([
    ["num_train_timesteps", { num_train_timesteps: 0 }, "out-of-range", /num_train_timesteps must lie in \[1, /],
    ["beta_start", { beta_start: -1 }, "out-of-range", /beta_start must lie in \[0, 1\), got -1/],
    ["beta_end", { beta_end: 1 }, "out-of-range", /beta_end must lie in \[0, 1\), got 1/],
    ["beta_end beyond numbers", { beta_end: Number.NaN }, "not-finite", /beta_end must be finite/],
    ["trained_betas", { trained_betas: [] }, "invalid-argument", /trained_betas must be a non-empty array/],
    ["one of them", { trained_betas: [0.1, 2] }, "out-of-range", /trained_betas\[1\] must lie in/],
    [
      "their number",
      { trained_betas: [0.1], num_train_timesteps: 2 },
      "invalid-argument",
      /num_train_timesteps is 2, but there are 1 trained_betas/,
    ],
    [
      "rescale_betas_zero_snr",
      { rescale_betas_zero_snr: true, beta_start: 0, beta_end: 0 },
      "out-of-range",
      /rescale_betas_zero_snr needs a signal that falls/,
    ],
  ])("out of its range, %s is named as the file names it", (_, json, code, message) =>
    expectSidError(code, () => scheduleFromConfig(json), RegExp(`^scheduleFromConfig: ${message.source}`)),
  );

  test.prop([
    fc.constantFrom("rescale_betas_zero_snr", "use_flow_sigmas", "thresholding", "clip_sample", "set_alpha_to_one"),
    fc.oneof(fc.string(), fc.integer()),
  ])("flags of the wrong kind", (key, value) =>
    expectSidError("invalid-argument", () => scheduleFromConfig({ [key]: value }), new RegExp(key)),
  );

  test.each([null, undefined, "scaled_linear", [1], 7])("%s is no config", (json) => {
    expectSidError("invalid-argument", () => scheduleFromConfig(json));
  });
});
