/** The run of a state as a program of its own, which ends with the same numbers. */
import { planeMethods } from "../plane/methods";
import { hidden } from "../plane/world";
import { entryOf } from "./contest";
import { optionsOf } from "./methods";
import { sampleCount } from "./run";
import { lawOf } from "./stage";
import type { Contestant, LabState } from "./state";

const schedules = {
  ddpm: `ddpmSchedule({ betaSchedule: "scaled_linear", betaStart: 0.00085, betaEnd: 0.012 })`,
  flow: "flowSchedule()",
} as const;

/** Makes the discriminator of a method that has one, by the function of the library. */
const discriminators: Partial<Record<Contestant["method"], readonly [string, string]>> = {
  sida: ["bottleneckDiscriminator", ""],
  dmd2: [
    "headDiscriminator",
    `{ name: "head", reads: "fakeScore", features: "vector", channels: ${hidden}, weights: randomStream(seed) }`,
  ],
  "f-distill": ["networkDiscriminator", `{ name: "judge", schedule, sampleShape: [2], weights: randomStream(seed) }`],
};

/**
 * A program for Node (`node laboratory.mjs`) that needs `sid-lsg`, TensorFlow.js and its backend. It prints, for each
 * method, the gauge's lower bound and some samples: on the same backend the laboratory's, to the last bit.
 */
export function toSnippet(state: LabState): string {
  const { process, seed, batch, iterations, pretraining, teacher, contestants } = state;
  const law = lawOf(state);
  const names = new Set([
    ...["addNoise", "adam", "copyWeights", "cosineRate", "distill", "fakeScoreLoss", "gaussianMixtureModel"],
    ...["generatorFrom", "mlp", "noiseLevel", "randomStream", "valueAndGradients"],
    process === "ddpm" ? "ddpmSchedule" : "flowSchedule",
    ...contestants.flatMap(({ method }) => [
      planeMethods[method].method.name,
      ...(discriminators[method]?.slice(0, 1) ?? []),
    ]),
  ]);
  return `// A run of the laboratory, in Node:
//   npm install sid-lsg @tensorflow/tfjs-core @tensorflow/tfjs-backend-wasm && node laboratory.mjs
import { dispose, tensor2d } from "@tensorflow/tfjs-core";
import { ${[...names].sort().join(", ")} } from "sid-lsg";
import { useBackend } from "sid-lsg/backends";

await useBackend("wasm");
const [seed, batch, iterations] = [${seed}, ${batch}, ${iterations}];

// The law: a mixture of Gaussians, whose score is known.
const weights = ${JSON.stringify(law.weights)};
const means = ${JSON.stringify(law.means)};
const classes = ${JSON.stringify(law.classes)};
const schedule = ${schedules[process]};
const exact = gaussianMixtureModel({ weights, means, variances: weights.map(() => ${law.variance}), schedule });

// A condition says the class: the weights of its Gaussians, or of all.
const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
const conditionsOf = (told) =>
  tensor2d(
    told.map((c) => {
      const own = weights.map((w, k) => (c === undefined || classes[k] === c ? w : 0));
      return own.map((w) => w / sum(own));
    }),
  );
const shares = [...new Set(classes)].sort().map((c) => sum(weights.filter((_, k) => classes[k] === c)) / sum(weights));
const conditions = {
  sample: (stream, count) => conditionsOf(stream.uniform(count).map((u) => (u < shares[0] ? 0 : 1))),
  unconditional: () => conditionsOf([undefined]),
};
const images = {
  sample(stream, count) {
    const components = exact.components(stream, count);
    return { images: exact.sample(stream, components), cond: conditionsOf(components.map((k) => classes[k])) };
  },
};

// A network that learns to denoise samples of the law: all others start as copies of it.
const network = (name) =>
  mlp(
    { dim: 2, hidden: ${hidden}, depth: 3, condDim: weights.length },
    { name, schedule, predicts: "${process === "ddpm" ? "v" : "flow"}", weights: randomStream(seed) },
  );
const student = network("student");
const stream = randomStream(seed);
const optimizer = adam(student.variables, { learningRate: cosineRate(3e-3, { totalSteps: ${pretraining} }), beta1: 0.9 });
for (let step = 0; step < ${pretraining}; step++) {
  const t = schedule.discrete ? stream.integers(256, 0, schedule.tMax + 1) : stream.uniform(256);
  const level = noiseLevel(schedule, t);
  const components = exact.components(stream, 256);
  const told = stream.uniform(256).map((u) => u > 0.1);
  const x0 = exact.sample(stream, components);
  const cond = conditionsOf(components.map((k, i) => (told[i] ? classes[k] : undefined)));
  const noise = stream.normal([256, 2]);
  const xt = addNoise({ x0, noise, level });
  const { value, gradients } = valueAndGradients(() => {
    const inputs = { prediction: student.predict(xt, t, cond), generated: x0, noise, level };
    return fakeScoreLoss(inputs, { predicts: student.predicts, weight: "none" });
  }, student.variables);
  optimizer.step(gradients);
  dispose([x0, cond, noise, xt, value, ...gradients]);
}
optimizer.dispose();
const teacher = ${teacher === "exact" ? "exact" : "student"};

const contestants = [
${contestants.map((contestant) => contestantText(contestant, state)).join("\n")}
];
for (const { method, options, learningRate, fakeLearningRate, makeDiscriminator } of contestants) {
  const discriminator = makeDiscriminator?.();
  const copy = (name) => {
    const network_ = network(name);
    copyWeights(student, network_);
    return network_;
  };
  const fakeScore = method.fakeScore && copy("fake-score");
  const [generator, average] = ["generator", "average"].map((name) => generatorFrom(copy(name), options));
  const falling = (rate, totalSteps) => (rate === 0 ? () => 0 : cosineRate(rate, { totalSteps }));
  const run = distill({
    ...{ teacher, fakeScore, generator, method, discriminator, conditions, images, sampleShape: [2], batch, iterations, seed },
    ema: { target: average, halfLife: 20 * batch, rampUp: null },
    learningRate: falling(learningRate, iterations),
    fakeLearningRate: falling(fakeLearningRate, iterations * (method.fakeScore?.updates ?? 1)),
    checkTeacher: teacher === exact,
    onWarning: () => {},
  });
  const { metrics } = await run;
  const noise = randomStream(seed);
  const samples = shares.map((share, c) => {
    const few = Math.max(1, Math.round(share * ${sampleCount}));
    const noises = Array.from({ length: average.steps }, () => noise.normal([few, 2]));
    const cond = conditionsOf(Array(few).fill(c));
    const points = average.generate(noises, cond);
    const numbers = [...points.dataSync()];
    dispose([...noises, cond, points]);
    return numbers;
  });
  console.log(JSON.stringify({ method: method.name, lowerBound: metrics.divergence?.lowerBound.value, samples }));
  for (const one of [fakeScore, generator, average, discriminator]) one?.dispose();
}
student.dispose();
`;
}

function contestantText(contestant: Contestant, state: LabState): string {
  const { method: name, learningRate: _, fakeLearningRate: __, passes: ___, ...settings } = contestant;
  const { method, generator, learningRate, fakeLearningRate } = entryOf(contestant, state);
  const parts = [
    `method: ${method.name}(${JSON.stringify(optionsOf(name, settings))})`,
    `options: ${JSON.stringify(generator)}`,
    `learningRate: ${learningRate}`,
    `fakeLearningRate: ${fakeLearningRate}`,
  ];
  const discriminator = discriminators[name];
  if (discriminator) parts.push(`makeDiscriminator: () => ${discriminator[0]}(${discriminator[1]})`);
  return `  {\n${parts.map((part) => `    ${part},\n`).join("")}  },`;
}
