import { mul, sigmoid, square, sum, type Tensor, tanh, tensor, variable } from "@tensorflow/tfjs-core";
import {
  addNoise,
  changeCoordinates,
  cleanGradients,
  convertPrediction,
  ddpmSchedule,
  fakeScoreLoss,
  finiteSamples,
  gaussianMixtureModel,
  guide,
  guidedPrediction,
  type LossWeight,
  noiseLevel,
  type PredictionType,
  perSample,
  predictionTarget,
  predictX0,
  randomStream,
  sidCotangents,
  sidLoss,
  valueAndGradients,
  vjp,
} from "sid-lsg";
import { casesOf } from "./contract-case";

const shape = [4, 3, 3, 2];
const level = noiseLevel(ddpmSchedule(), [20, 300, 600, 900]);
const draw = (count: number, seed = 1): Tensor[] => {
  const stream = randomStream(seed);
  return Array.from({ length: count }, () => stream.normal(shape));
};
const kinds: PredictionType[] = ["eps", "x0", "v", "score", "flow"];

/** The loss and its gradients in all three inputs. */
function sid(weight: LossWeight): Tensor[] {
  const options = { alpha: 1.2, weight, level };
  const loss = (generated: Tensor, teacher: Tensor, fake: Tensor) => sidLoss({ generated, teacher, fake }, options);
  const inputs = draw(3) as [Tensor, Tensor, Tensor];
  return [loss(...inputs), ...vjp(loss as never, inputs, tensor(1))];
}

function spoiled(): Tensor {
  const values = Float32Array.from(randomStream(3).normals(72));
  values.set([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY], 20);
  return tensor(values, shape);
}

export const primitives = casesOf("primitives", {
  "the noisy sample": () => {
    const [x0, noise] = draw(2) as [Tensor, Tensor];
    return addNoise({ x0, noise, level });
  },
  "conversions between predictions": () =>
    kinds.flatMap((from) =>
      kinds.map((to) => {
        const [prediction, xt] = draw(2) as [Tensor, Tensor];
        return convertPrediction({ prediction, xt, level, predicts: from, to });
      }),
    ),
  "targets of predictions": () =>
    kinds.map((type) => {
      const [x0, noise] = draw(2) as [Tensor, Tensor];
      return predictionTarget({ x0, noise, level, predicts: type });
    }),
  "conversions between coordinates": () => {
    const [xt] = draw(1) as [Tensor];
    return [changeCoordinates({ xt, level, to: "edm" }).xt, changeCoordinates({ xt, level, to: "flow" }).xt];
  },
  "numbers per sample": () => perSample([1, 2.5, -3, 0], 4),
  guidance: () => {
    const [cond, uncond] = draw(2) as [Tensor, Tensor];
    return [-1, 0, 1, 4.5].map((scale) => guide({ cond, uncond, guidanceScale: scale }));
  },
  "guided prediction": () => {
    const [xt, cond] = draw(2) as [Tensor, Tensor];
    const predict = (x: Tensor, _t: readonly number[], c?: Tensor) => tanh(mul(x, c ?? 0.5));
    const uncond = randomStream(5).normal([1, 3, 3, 2]);
    return guidedPrediction(predict, { xt, t: [1, 2, 3, 4], cond, uncond, guidanceScale: 1.5 });
  },
  ...Object.fromEntries(
    (["l1", "none", "snr", "one-minus-sigma"] as const).map((weight) => [
      `score-identity loss and gradients, weight ${weight}`,
      () => sid(weight),
    ]),
  ),
  "cotangents of the score-identity loss": () => {
    const [generated, teacher, fake] = draw(3) as [Tensor, Tensor, Tensor];
    return Object.values(sidCotangents({ generated, teacher, fake }, { alpha: 1 }));
  },
  "fake score's loss and gradient": () =>
    (["eps", "x0", "v"] as const).flatMap((predicts) => {
      const [prediction, generated, noise] = draw(3) as [Tensor, Tensor, Tensor];
      const loss = (x: Tensor) => fakeScoreLoss({ prediction: x, generated, noise, level }, { predicts });
      return [loss(prediction), ...vjp(loss as never, [prediction], tensor(1))];
    }),
  "samples and gradients that are not finite": () => [finiteSamples(spoiled()), ...cleanGradients([spoiled()])],
  "a mixture's exact score and its gradient": () => {
    const schedule = ddpmSchedule();
    const means = [
      [1, 0],
      [-1, 0.5],
    ];
    const model = gaussianMixtureModel({ weights: [1, 2], means, variances: [0.1, 0.3], schedule, predicts: "eps" });
    const xt = randomStream(2).normal([4, 2]);
    const f = (x: Tensor) => predictX0(model, { xt: x, t: [20, 300, 600, 900] });
    return [f(xt), ...vjp(f as never, [xt], randomStream(3).normal([4, 2]))];
  },
  "value and gradient of variables": () => {
    const [x] = draw(1) as [Tensor];
    const w = variable(x);
    const { value, gradients } = valueAndGradients(() => sum(mul(square(w), sigmoid(w))), [w]);
    w.dispose();
    return [value, ...gradients];
  },
});
