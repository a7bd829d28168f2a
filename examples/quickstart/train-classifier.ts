/** `npm run classifier`: trains the judge of the quick start on real digits and writes classifier.safetensors. */
import { fileURLToPath } from "node:url";
import {
  add,
  logSoftmax,
  mean,
  mul,
  neg,
  oneHot,
  type Scalar,
  sum,
  type Tensor1D,
  type Tensor2D,
  tensor1d,
  tidy,
} from "@tensorflow/tfjs-core";
import { randomStream, valueAndGradients } from "sid-lsg";
import { useBackend } from "sid-lsg/backends";
import { writeSafetensors } from "sid-lsg/io";
import { adam } from "sid-lsg/train";
import { shown } from "../common/paths";
import { runProgram } from "../common/program";
import { startProgress } from "../common/progress";
import { allPairs, colours, drawPairs, type Pair } from "./captions";
import { type Classifier, createClassifier } from "./classifier";
import { type Digits, drawImages, loadDigits } from "./digits";

const iterations = 2000;
const batch = 64;
const stream = randomStream(1);

await runProgram(async () => {
  await useBackend("wasm");
  const [seen, unseen] = split(loadDigits());
  const classifier = createClassifier(stream);
  const optimizer = adam(classifier.variables, { learningRate: 1e-3, beta1: 0.9 });

  const progress = startProgress("training the classifier", iterations);
  for (let i = 1; i <= iterations; i++) {
    const pairs = drawPairs(allPairs, batch, stream);
    const images = tidy(() => {
      // A little noise teaches the classifier to stand a generator's small errors.
      const clean = drawImages(seen, pairs, stream);
      return add(clean, mul(stream.normal(clean.shape), 0.3)) as typeof clean;
    });
    const { value, gradients } = valueAndGradients(() => {
      const { digit, colour } = classifier.logits(images);
      return add(
        crossEntropy(
          digit,
          pairs.map((p) => p.digit),
        ),
        crossEntropy(colour, colourIds(pairs)),
      );
    }, classifier.variables);
    optimizer.step(gradients);
    progress.update(i, { loss: (await value.data())[0] });
    for (const tensor of [images, value, ...gradients]) tensor.dispose();
  }

  progress.finish();
  const { digit, colour } = await accuracy(classifier, unseen);
  console.log(`On real digits that it never saw: digit ${digit.toFixed(4)}, colour ${colour.toFixed(4)}.`);
  const path = fileURLToPath(new URL("classifier.safetensors", import.meta.url));
  await writeSafetensors(path, await classifier.weights(), {
    digitAccuracy: digit.toFixed(4),
    colourAccuracy: colour.toFixed(4),
  });
  console.log(`Wrote ${shown(path)}.`);
});

/** `−log p` of the right class, mean over the batch. */
function crossEntropy(logits: Tensor2D, classes: readonly number[]): Scalar {
  return tidy(() => {
    const right = oneHot(tensor1d([...classes], "int32") as Tensor1D, logits.shape[1]);
    return neg(mean(sum(mul(right, logSoftmax(logits)), 1))) as Scalar;
  });
}

function colourIds(pairs: readonly Pair[]): number[] {
  return pairs.map((pair) => colours.indexOf(pair.colour));
}

/** Four of five images to learn from, and every fifth to test on. */
function split({ byDigit }: Digits): [Digits, Digits] {
  const part = (keep: (i: number) => boolean) => ({
    byDigit: byDigit.map((images) => images.filter((_, i) => keep(i))),
  });
  return [part((i) => i % 5 !== 0), part((i) => i % 5 === 0)];
}

/** Shares of right answers on 4,000 coloured images. */
async function accuracy(classifier: Classifier, digits: Digits): Promise<{ digit: number; colour: number }> {
  const pairs = drawPairs(allPairs, 4000, stream);
  const images = drawImages(digits, pairs, stream);
  const verdict = await classifier.judge(images);
  images.dispose();
  const share = (right: (pair: Pair, i: number) => boolean) => pairs.filter(right).length / pairs.length;
  return {
    digit: share((p, i) => p.digit === verdict.digits[i]),
    colour: share((p, i) => p.colour === verdict.colours[i]),
  };
}
