/** Each case of the suite fails on a method that is broken in that way, and on no other unless it must. */
import {
  abs,
  add,
  dispose,
  div,
  mean,
  mul,
  neg,
  onesLike,
  reshape,
  type Scalar,
  scalar,
  slice,
  softplus,
  sum,
  type Tensor,
  tidy,
} from "@tensorflow/tfjs-core";
import { describe, expect, test } from "vitest";
import { SidError } from "../../src/core";
import {
  type Cotangents,
  type DataInputs,
  type DataUpdate,
  type DiscriminatorUpdate,
  dmd2,
  lcm,
  type Method,
  type ScoreMethod,
  sid,
} from "../../src/methods";
import { predictX0, type ScoreModel } from "../../src/models";
import { type MethodContractOptions, methodContract } from "../../src/testing";
import { expectSidError } from "../support/errors";

type Update = ScoreMethod["generator"];
type Tensors = Readonly<Record<string, Tensor>>;

const slopes = ["generated", "teacher", "fake"];
const whole = () => sid({ weight: "none" }) as ScoreMethod;
const matching = () => dmd2({ fakeUpdates: 1 });
const judged = () => dmd2({ fakeUpdates: 1, adversarialWeight: 1e-3 });

/** The method with parts of its generator's update replaced. */
function broken(base: ScoreMethod, change: (update: Update) => Partial<Update>): ScoreMethod {
  return { ...base, generator: { ...base.generator, ...change(base.generator) } };
}

/** The method with its cotangents put through `f`. */
function altered(base: ScoreMethod, f: (made: Tensors, given: Tensors) => object): ScoreMethod {
  return broken(base, ({ cotangents }) => ({
    cotangents: (tensors, circumstances) =>
      tidy(() => f(cotangents(tensors, circumstances) as Tensors, tensors) as Cotangents),
  }));
}

const scaled = (made: Tensors, factor: number | Tensor) =>
  Object.fromEntries(Object.entries(made).map(([name, x]) => [name, mul(x, factor)]));

/** Numbers that a pure function cannot know. */
let throws = 0;
const dice = () => ++throws;

/** The logit is asked from the tenth image on. */
const askingLater = ({ asks }: Update): Update["asks"] => ({
  ...asks,
  logit: { of: "discriminator", at: "other", gradient: true, startsAt: 10 },
});
const later = () =>
  broken(judged(), ({ asks, cotangents }) => ({
    asks: askingLater({ asks } as Update),
    cotangents: (tensors, circumstances) =>
      "logit" in tensors ? cotangents(tensors, circumstances) : matching().generator.cotangents(tensors, circumstances),
  }));

/** A discriminator's loss of its own. */
function discriminating(loss: DiscriminatorUpdate["loss"]): Method {
  const { fakeScore, ...method } = judged();
  return { ...method, fakeScore: fakeScore && { ...fakeScore, discriminator: { ...fakeScore.discriminator, loss } } };
}

/** Its strength depends on which of two answers came first. */
const byBirth = () =>
  broken(
    altered(matching(), (made, { teacher, fake }) => {
      const all = { ...made, fake: mul(made["generated"] as Tensor, 0.1) };
      return scaled(all, (teacher as Tensor).id < (fake as Tensor).id ? 1 : 2);
    }),
    () => ({ asks: { fake: { of: "fakeScore", gradient: true }, teacher: { of: "teacher" } } }),
  );

/** Laws of t for one family of schedules. */
const only = (kind: string) =>
  broken(whole(), ({ timesteps }) => ({
    timesteps(stream, count, moment) {
      if (moment.schedule.kind !== kind) throw new SidError("unsupported", "no law");
      return timesteps(stream, count, moment);
    },
  }));

/** A method that learns from images, with another loss. */
function learning(change: (loss: DataUpdate["loss"], inputs: DataInputs) => Scalar): Method {
  const { generator, ...method } = lcm();
  return { ...method, generator: { ...generator, loss: (inputs) => change(generator.loss, inputs) } };
}

const cases = {
  formed: "it is well-formed",
  settings: "its settings are plain data, equal in one made alike, and it owns no tensor",
  laws: "its laws draw times of the schedule, as many as asked, from the stream alone",
  shapes: "cotangents gives a loss and finite gradients of the right shapes, and leaves nothing else",
  pure: "cotangents is pure, and a method made alike has the same",
  valid: "samples that do not count reach neither loss nor gradients, not even as NaN",
  mean: "loss and gradients are means over the batch, of all samples whether they count or not",
  order: "the order of the samples changes nothing",
  data: "its loss on images is finite and pure",
  dataValid: "images that do not count reach neither loss nor gradients",
  dataMean: "loss and gradients are means over the batch, of all images whether they count or not",
  later: "cotangents does without the answers that begin later",
  critic: "its discriminator's loss is a finite mean over the batch, which samples that do not count do not reach",
  staged: "staged and joint backward agree",
  passes: "a backward pass is made where the gradient flows, and nowhere else",
  runs: "two iterations of distill are the same for the same seed, and leave no tensor",
} as const;
const slopeOf = (name: string) => `the cotangent of ${name} is the slope of the loss`;

/** The cases that reject, with what they say. */
async function failures(make: () => Method, options: MethodContractOptions = {}): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const { name, run } of methodContract(make, options))
    await run().catch((error: unknown) => {
      found[name] = String(error);
    });
  return found;
}

const settled = (settings: object) => () => ({ ...whole(), settings }) as Method;

type Fault = [title: string, make: () => Method, wanted: string[], message: RegExp, options?: MethodContractOptions];
const faults: Fault[] = [
  [
    "a surplus key",
    () => ({ ...whole(), guidance: 2 }) as Method,
    [cases.formed, cases.staged, cases.passes, cases.runs],
    /method has no "guidance"/,
  ],
  ["a function among the settings", settled({ weight: Math.max }), [cases.settings], /settings\.weight/],
  ["a setting that JSON loses", settled({ at: [undefined] }), [cases.settings], /settings\.at/],
  ["a setting that JSON changes", settled({ at: Number.NaN }), [cases.settings], /settings\.at/],
  ["settings that change", () => settled({ made: dice() })(), [cases.settings], /made alike/],
  [
    "a law without a time for a batch of one",
    () => broken(whole(), ({ timesteps }) => ({ timesteps: (s, n, m) => (n === 1 ? [] : timesteps(s, n, m)) })),
    [cases.laws],
    /asked for 1 .* got \[\]/,
  ],
  [
    "a law between the timesteps",
    () =>
      broken(judged(), ({ otherTimesteps }) => ({
        otherTimesteps: (s, n, m) => (otherTimesteps?.(s, n, m) ?? []).map((t) => (n === 256 ? t - 0.25 : t)),
      })),
    [cases.laws],
    /\.75/,
  ],
  [
    "a law with dice of its own",
    () =>
      broken(whole(), ({ timesteps }) => ({
        timesteps: (s, n, m) => (n === 2 && m.schedule.discrete ? [dice(), dice()] : timesteps(s, n, m)),
      })),
    [cases.laws],
    /same place of the stream/,
  ],
  [
    "a tensor too many",
    () =>
      broken(whole(), ({ cotangents }) => ({
        cotangents(tensors, circumstances) {
          neg(tensors["generated"] as Tensor);
          return cotangents(tensors, circumstances);
        },
      })),
    [cases.shapes],
    /wanted 4 tensors left, got 5/,
  ],
  [
    "an input handed back",
    () =>
      broken(whole(), ({ cotangents }) => ({
        cotangents(tensors, circumstances) {
          const made = cotangents(tensors, circumstances);
          const { generated } = tensors as Tensors;
          if (generated?.rank !== 4) return made;
          made.generated?.dispose();
          return { ...made, generated };
        },
      })),
    [cases.shapes],
    /left, got 3|tensor of its own/,
  ],
  [
    "another strength in each object",
    () => {
      const factor = dice();
      return altered(whole(), (made) => scaled(made, factor));
    },
    [cases.pure],
    /another object/,
  ],
  [
    "NaN times 0",
    () =>
      altered(whole(), ({ loss, ...made }, { generated }) => ({
        ...made,
        loss: add(loss as Tensor, mul(sum(generated as Tensor), 0)),
      })),
    [cases.valid],
    /with NaN in a sample/,
  ],
  [
    "a sum over the batch",
    () => altered(whole(), (made, { generated }) => scaled(made, generated?.shape[0] as number)),
    [cases.mean],
    /two halves/,
    { slopes },
  ],
  [
    "a cotangent that is 1 % off",
    () => altered(whole(), (made) => ({ ...made, fake: mul(made["fake"] as Tensor, 1.01) })),
    [slopeOf("fake")],
    /slope of the loss in fake .* says/,
    { slopes },
  ],
  [
    "the first sample before all others",
    () => altered(whole(), (made, { generated }) => scaled(made, mean(abs(slice(generated as Tensor, 0, 1))))),
    [cases.order],
    /another order/,
    { mixesSamples: true },
  ],
  [
    "a look at an answer that is not there yet",
    () => broken(judged(), (u) => ({ asks: askingLater(u) })),
    [cases.later, cases.runs],
    /undefined/,
  ],
  [
    "a discriminator that multiplies by what counts",
    () =>
      discriminating(({ generated, real }, { valid }) =>
        tidy(() => mean(mul(add(softplus(generated), softplus(neg(real))), valid)) as Scalar),
      ),
    [cases.critic],
    /with NaN in a sample/,
  ],
  [
    "a question whose gradient nobody uses",
    () => broken(matching(), ({ asks }) => ({ asks: { ...asks, teacher: { of: "teacher", gradient: true } } })),
    [cases.passes],
    /0 backward passes through the teacher, got 1/,
  ],
  [
    "a loss on images with dice",
    () => learning((loss, inputs) => mul(loss(inputs), dice())),
    [cases.data, cases.dataValid, cases.dataMean, cases.staged, cases.runs],
    /computed again/,
  ],
  [
    "a loss on images that looks at all of them",
    () => learning((loss, inputs) => loss({ ...inputs, valid: onesLike(inputs.valid) })),
    [cases.dataValid],
    /does not count/,
  ],
  [
    "a mean over the images that count",
    () => learning((loss, inputs) => mul(loss(inputs), div(inputs.valid.size, sum(inputs.valid)))),
    [cases.dataMean],
    /two halves/,
  ],
  [
    "a teacher on the tape",
    () =>
      learning((loss, { teacher, ...inputs }) => {
        const { images, t, cond, generator } = inputs;
        const answer = teacher.predict(predictX0(generator.network as ScoreModel, { xt: images, t, cond }), t, cond);
        return add(loss({ teacher, ...inputs }), mul(mean(mul(answer, reshape(inputs.valid, [-1, 1]))), 1e-3));
      }),
    [cases.passes],
    /0 backward passes through the teacher, got 1/,
  ],
  ["answers told apart by their birth", byBirth, [cases.staged], /staged, beside joint/],
  [
    "a weight of the fake score with dice",
    () => ({ ...whole(), fakeScore: { ...(whole().fakeScore as NonNullable<Method["fakeScore"]>), weight: dice } }),
    [cases.runs],
    /run again/,
  ],
  [
    "a generator that stays",
    () => altered(whole(), (made) => scaled(made, 0)),
    [cases.runs],
    /must change the generator/,
  ],
];

describe("methodContract", () => {
  test("a method that is whole has every case, and passes", async () => {
    const { order, later: early, critic, data, dataValid, dataMean, ...usual } = cases;
    const names = (make: () => Method, options?: MethodContractOptions) =>
      methodContract(make, options).map(({ name }) => name);
    expect(new Set(names(whole, { slopes }))).toEqual(new Set([...Object.values(usual), ...slopes.map(slopeOf)]));
    expect(names(whole, { mixesSamples: true })).toContain(order);
    expect(names(judged)).toContain(critic);
    expect(names(later)).toContain(early);
    expect(names(() => lcm())).toEqual(expect.arrayContaining([data, dataValid, dataMean]));
    expect(await failures(whole, { slopes })).toEqual({});
    expect(await failures(whole, { mixesSamples: true })).toEqual({});
    expect(await failures(later, { slopes: ["logit"] })).toEqual({});
  });

  test.each<Fault>(faults)("finds %s", async (_, make, wanted, message, options) => {
    const found = await failures(make, options);
    expect(Object.keys(found), JSON.stringify(found, null, 2)).toEqual(wanted);
    expect(found[wanted[0] as string]).toMatch(message);
  });

  test("every case was failed by some method", () => {
    const failed = new Set(faults.flatMap(([, , names]) => names));
    expect([...Object.values(cases), slopeOf("fake")].filter((name) => !failed.has(name))).toEqual([]);
  });

  test("finds a method that owns a tensor", async () => {
    const own: Tensor[] = [];
    const make = () => {
      own.push(scalar(1));
      return whole();
    };
    expect(Object.keys(await failures(make))).toEqual([cases.settings]);
    dispose(own);
  });

  test("a method for one family of schedules is examined there; one for none is refused", async () => {
    expect(await failures(() => only("flow"))).toEqual({});
    expect((await failures(() => only("none")))[cases.laws]).toMatch(/no family of schedules/);
  });

  test("options that are none are refused", () => {
    expectSidError("invalid-argument", () => methodContract(sid() as never), /make must be a function/);
    expectSidError("invalid-argument", () => methodContract(sid, { slope: [] } as never), /did you mean slopes/);
    expectSidError("invalid-argument", () => methodContract(sid, { slopes: "fake" } as never), /an array/);
    expectSidError("invalid-argument", () => methodContract(sid, { mixesSamples: 1 } as never), /true or false/);
  });
});
