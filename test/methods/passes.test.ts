/** What each method's updates cost, by networks that count the samples that pass through them. */
import { customGrad, dispose, type GradSaveFunc, mul, reshape, sum, type Tensor } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { randomStream } from "../../src/core";
import { lsg } from "../../src/guidance";
import {
  csd,
  decoupledDmd,
  diffInstruct,
  dmd,
  dmd2,
  fDistill,
  fewStepSid,
  type GeneratorUpdate,
  lcm,
  type Method,
  type Question,
  sds,
  sid,
  sida,
  sidDit,
  sidLsg,
  sim,
  swiftBrush,
  tdm,
  vsd,
  withReward,
} from "../../src/methods";
import { type Discriminator, generatorFrom, type ScoreModel } from "../../src/models";
import { ddpmSchedule } from "../../src/schedules";
import { fakeScoreGradients, generatorGradients } from "../../src/train";
import { weight } from "../support/weights";

type Role = "G" | "φ" | "ψ" | "θ⁻";
type Part = "trunk" | "head";
/** Samples that went through a part of a network, forwards and backwards. */
type Tally = Record<string, number>;

const schedule = ddpmSchedule();
const count = 3;

/** A network of two parts, of which the features are what the trunk returns. */
function counting(role: Role, tally: Tally): ScoreModel {
  const [trunk, head] = [weight(`passes/${role}/trunk`, [0.7], [1]), weight(`passes/${role}/head`, [0.4], [1])];
  const note = (part: Part, way: "F" | "B", x: Tensor) => {
    const name = `${role} ${part} ${way}`;
    tally[name] = (tally[name] ?? 0) + (x.shape[0] as number) / count;
  };
  const pass = (part: Part, input: Tensor) => {
    const through = customGrad((...given: (Tensor | GradSaveFunc)[]) => {
      const [x, w, save] = given as [Tensor, Tensor, GradSaveFunc];
      note(part, "F", x);
      save([x, w]);
      return {
        value: mul(x, w),
        gradFunc: (dy: Tensor, [kept, by]: Tensor[]) => {
          note(part, "B", dy);
          return [mul(dy, by as Tensor), reshape(sum(mul(dy, kept as Tensor)), [1])];
        },
      };
    });
    return through(input, part === "trunk" ? trunk : head);
  };
  const predictWithFeatures = (xt: Tensor) => {
    const features = pass("trunk", xt);
    return { prediction: pass("head", features), features };
  };
  return {
    name: `passes/${role}`,
    predicts: "x0",
    schedule,
    variables: [trunk, head],
    predict: (xt) => predictWithFeatures(xt).prediction,
    features: (xt) => pass("trunk", xt),
    predictWithFeatures,
    dispose: () => {
      trunk.dispose();
      head.dispose();
    },
  };
}

/** `2F 1B, trunk 1F`: whole passes per sample, and those through the trunk alone. */
function shown(tally: Tally, role: Role): string {
  const of = (part: Part, way: "F" | "B") => tally[`${role} ${part} ${way}`] ?? 0;
  const words = (forwards: number, backwards: number) =>
    [forwards ? `${forwards}F` : "", backwards ? `${backwards}B` : ""].filter((word) => word !== "").join(" ");
  const [f, b] = [of("head", "F"), of("head", "B")];
  const trunk = words(of("trunk", "F") - f, of("trunk", "B") - b);
  return [words(f, b), trunk && `trunk ${trunk}`].filter((word) => word !== "").join(", ");
}

/** What the updates of a method cost; networks that nobody asks are left out. */
function costOf(method: Method, backward: "staged" | "joint", reads: Discriminator["reads"], update: "G" | "ψ") {
  const tally: Tally = {};
  const roles: readonly Role[] = ["G", "φ", "ψ", "θ⁻"];
  const models = roles.map((role) => counting(role, tally)) as [ScoreModel, ScoreModel, ScoreModel, ScoreModel];
  const [network, teacher, fakeScore, ofAverage] = models;
  const discriminator: Discriminator = {
    name: "passes/D",
    ...(reads && { reads }),
    variables: [],
    logit: (features) => reshape(sum(features, -1), [features.shape[0] as number]),
    dispose: () => {},
  };
  const [generator, average] = [network, ofAverage].map((model) => generatorFrom(model, { tInit: 999 }));
  const stream = randomStream(5);
  const normal = (rows = count) => stream.normal([rows, 4]);
  const batch = {
    noises: [normal()],
    ...{ noise: normal(), t: [300, 500, 700], cond: normal(), uncond: normal(1) },
    ...{ images: normal(), imageCond: normal(), uniforms: [0.1, 0.5, 0.9] },
    other: { noise: normal(), t: [100, 200, 400] },
  };
  const objective = { generator, teacher, fakeScore, discriminator, average, method, backward };
  const result = (update === "G" ? generatorGradients : fakeScoreGradients)(objective as never, batch);
  dispose({ ...result } as never);
  dispose(batch as never);
  for (const model of models) model.dispose();
  return Object.fromEntries(roles.map((role) => [role, shown(tally, role)]).filter(([, words]) => words !== ""));
}

type Cost = Partial<Record<Role, string>>;
/** The method, its generator's update, its fake score's; what its discriminator reads. */
type Row = readonly [name: string, Method, generator: Cost, fakeScore: Cost | undefined, Discriminator["reads"]?];

const plain = { G: "1F", ψ: "1F 1B" };
const rows: readonly Row[] = [
  ["SDS, κ 101", sds(), { G: "1F 1B", φ: "2F" }, undefined],
  ["SDS, κ 1", sds({ guidanceScale: 1 }), { G: "1F 1B", φ: "1F" }, undefined],
  ["CSD", csd(), { G: "1F 1B", φ: "2F" }, undefined],
  ["VSD, κ 7.5", vsd(), { G: "1F 1B", φ: "2F", ψ: "1F" }, plain],
  ["VSD, κ 1", vsd({ guidanceScale: 1 }), { G: "1F 1B", φ: "1F", ψ: "1F" }, plain],
  ["SwiftBrush, both guided", swiftBrush(), { G: "1F 1B", φ: "2F", ψ: "2F" }, plain],
  ["Diff-Instruct", diffInstruct(), { G: "1F 1B", φ: "1F", ψ: "1F" }, plain],
  ["DMD, κ 3", dmd(), { G: "1F 1B", φ: "2F", ψ: "1F" }, plain],
  ["DMD2, κ 1", dmd2({ guidanceScale: 1 }), { G: "1F 1B", φ: "1F", ψ: "1F" }, plain],
  ["DMD2, κ 1.75", dmd2(), { G: "1F 1B", φ: "2F", ψ: "1F" }, plain],
  [
    "DMD2 with a head on ψ, at times of its own",
    dmd2({ adversarialWeight: 1e-3 }),
    { G: "1F 1B", φ: "2F", ψ: "1F, trunk 1F 1B" },
    { G: "1F", ψ: "1F 1B, trunk 2F 2B" },
    "fakeScore",
  ],
  ["decoupled DMD", decoupledDmd(), { G: "1F 1B", φ: "3F", ψ: "1F" }, plain],
  ["decoupled DMD, κ 1", decoupledDmd({ guidanceScale: 1 }), { G: "1F 1B", φ: "1F", ψ: "1F" }, plain],
  ["TDM, κ 4.5", tdm(), { G: "1F 1B", φ: "2F", ψ: "1F" }, plain],
  [
    "f-distill with a head on φ, which reads along",
    fDistill({ guidanceScale: 1 }),
    { G: "1F 1B", φ: "1F, trunk 1B", ψ: "1F" },
    { ...plain, φ: "trunk 2F" },
    "teacher",
  ],
  [
    "f-distill without the adversarial term",
    fDistill({ guidanceScale: 1, adversarialWeight: 0 }),
    { G: "1F 1B", φ: "1F", ψ: "1F" },
    { ...plain, φ: "trunk 2F" },
    "teacher",
  ],
  [
    "f-distill with a discriminator that stands alone",
    fDistill({ guidanceScale: 1 }),
    { G: "1F 1B", φ: "1F", ψ: "1F" },
    plain,
  ],
  ["SiD", sid(), { G: "1F 1B", φ: "1F 1B", ψ: "1F 1B" }, plain],
  [
    "SiD-LSG, κ 1.5: twice the width",
    sidLsg({ guidance: lsg(1.5) }),
    { G: "1F 1B", φ: "2F 2B", ψ: "2F 2B" },
    { G: "1F", ψ: "2F 2B" },
  ],
  ["few-step SiD, Zero-CFG", fewStepSid(), { G: "1F 1B", φ: "1F 1B", ψ: "1F 1B" }, plain],
  ["SiD-DiT, κ 4.5", sidDit(), { G: "1F 1B", φ: "2F 2B", ψ: "2F 2B" }, { G: "1F", ψ: "2F 2B" }],
  [
    "SiDA: the discriminator reads along; real images cost a trunk",
    sida(),
    { G: "1F 1B", φ: "1F 1B", ψ: "1F 1B" },
    { G: "1F", ψ: "1F 1B, trunk 1F 1B" },
    "fakeScore",
  ],
  ["SIM", sim(), { G: "1F 1B", φ: "1F 1B", ψ: "1F 1B" }, plain],
  ["LCM, guided", lcm(), { G: "1F 1B", φ: "2F", "θ⁻": "1F" }, undefined],
  [
    "a reward costs no pass",
    withReward(dmd2({ guidanceScale: 1 }), { reward: (x) => sum(x, 1), weight: 1 }),
    { G: "1F 1B", φ: "1F", ψ: "1F" },
    plain,
  ],
];

for (const [name, method, generator, fakeScore, reads] of rows) {
  test(`${name}: the generator's update on one tape`, () => {
    expect(costOf(method, "joint", reads, "G")).toEqual(generator);
  });

  test(`${name}: the generator's update, staged`, () => {
    // With a gradient through a network the generator runs forwards again, and with two such networks the first of them.
    const asks: readonly Question[] = Object.values((method.generator as GeneratorUpdate).asks ?? {});
    const flows = asks.some(({ gradient }) => gradient);
    const both = [generator.φ, generator.ψ].every((words) => words?.includes("B"));
    const again = (words = "") => words.replace(/^(\d)F/, (_, n: string) => `${2 * Number(n)}F`);
    const staged = { ...generator, ...(flows && { G: again(generator.G) }), ...(both && { φ: again(generator.φ) }) };
    expect(costOf(method, "staged", reads, "G")).toEqual(staged);
  });

  if (fakeScore !== undefined)
    test(`${name}: the fake score's update`, () => {
      expect(costOf(method, "joint", reads, "ψ")).toEqual(fakeScore);
    });
}
