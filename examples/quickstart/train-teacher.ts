/** `npm run teacher`: trains the quick start's text-to-image teacher on the coloured digits and writes teacher/. */
import { mean, mul, type Scalar, square, sub, tidy, type Variable } from "@tensorflow/tfjs-core";
import { addNoise, noiseLevel, randomStream, valueAndGradients } from "sid-lsg";
import { useBackend } from "sid-lsg/backends";
import {
  clipTextEncoder,
  copyWeights,
  parseClipTextConfig,
  parseUnetConfig,
  readWeights,
  type TextConditioner,
  type Unet,
  unet,
} from "sid-lsg/models";
import { scheduleFromConfig } from "sid-lsg/schedules";
import { type Adam, adam, updateEma } from "sid-lsg/train";
import { lockFolder } from "../common/lock";
import { shown } from "../common/paths";
import { interruptible, listen, runProgram } from "../common/program";
import { startProgress } from "../common/progress";
import { caption, captionWords, drawPairs, trainedPairs } from "./captions";
import { drawImages, loadDigits } from "./digits";
import { teacherFolder } from "./paths";
import { schedulerConfig, textConfig, unetConfig } from "./teacher-config";
import { withTokenizer } from "./text-to-image";
import { writeFolder } from "./write-folder";

const iterations = 2000;
const batch = 64;
const saveEvery = 250;
/** Share of captions that become "", so that the teacher also knows the unconditional score. */
const captionDropout = 0.1;
/** The learning rate from an iteration on: high first, then two drops to settle. */
const rates = new Map([
  [0, 2e-3],
  [0.6 * iterations, 7e-4],
  [0.85 * iterations, 2e-4],
]);

interface Network {
  readonly unet: Unet;
  readonly encoder: ReturnType<typeof clipTextEncoder>;
  readonly text: TextConditioner;
  readonly variables: readonly Variable[];
}

const stream = randomStream(1);
const digits = loadDigits();
const { schedule, predicts } = scheduleFromConfig(schedulerConfig);

await runProgram(async () => {
  lockFolder("out", teacherFolder);
  await useBackend("wasm");
  const done = await interruptible("stopping after this iteration", (signal) =>
    train(createNetwork("trained"), createNetwork("average"), signal),
  );
  if (done === iterations) console.log(`Wrote ${shown(teacherFolder)}.`);
  else if (done < saveEvery) console.log("Stopped; nothing was saved.");
  else console.log(`Stopped; ${shown(teacherFolder)} holds the weights of iteration ${done - (done % saveEvery)}.`);
});

/** A U-Net and a text encoder at a random start. */
function createNetwork(name: string): Network {
  const options = { name: `${name}-unet`, schedule, predicts, weights: stream };
  const made = unet(parseUnetConfig(unetConfig), options);
  const encoder = clipTextEncoder(parseClipTextConfig(textConfig), { name: `${name}-text`, weights: stream });
  // CLIP's small start of the word vectors suits a vocabulary of 49,408 words; with 38, distinct ones learn far sooner.
  const [table] = encoder.variables;
  if (table) table.assign(tidy(() => mul(table, 50)));
  const text = withTokenizer(encoder, captionWords);
  return { unet: made, encoder, text, variables: [...made.variables, ...encoder.variables] };
}

/** Trains, unless the signal comes, to the end; returns the iterations done. */
async function train(network: Network, average: Network, signal: AbortSignal): Promise<number> {
  const progress = startProgress("training the teacher", iterations);
  copyWeights(network.unet, average.unet);
  copyWeights(network.encoder, average.encoder);
  let optimizer: Adam | undefined;
  let smoothLoss = 1;
  let i = 0;
  for (; i < iterations && !signal.aborted; i++) {
    const learningRate = rates.get(i);
    if (learningRate !== undefined) {
      const next = adam(network.variables, { learningRate, beta1: 0.9 });
      if (optimizer) next.restore(optimizer.state());
      optimizer?.dispose();
      optimizer = next;
    }
    const { value, gradients } = noisePredictionLoss(network);
    optimizer?.step(gradients);
    updateEma(average.variables, network.variables, Math.min(0.998, (i + 1) / (i + 10)));
    smoothLoss += 0.02 * (((await value.data())[0] ?? 0) - smoothLoss);
    for (const tensor of [value, ...gradients]) tensor.dispose();
    progress.update(i + 1, { loss: smoothLoss });
    if ((i + 1) % saveEvery === 0) await save(average);
    await listen();
  }
  optimizer?.dispose();
  progress.finish();
  return i;
}

/** Writes the averaged weights. */
async function save(average: Network): Promise<void> {
  await writeFolder(teacherFolder, {
    unet: { config: unetConfig, weights: await readWeights(average.unet) },
    textEncoder: { config: textConfig, weights: await readWeights(average.encoder) },
    scheduler: schedulerConfig,
    words: captionWords,
  });
}

/** `‖ε̂(x_t, t, caption) − ε‖²`, mean over a fresh batch, and its gradients. */
function noisePredictionLoss(network: Network) {
  const pairs = drawPairs(trainedPairs, batch, stream);
  const dropped = stream.uniform(batch).map((u) => u < captionDropout);
  const captions = pairs.map((pair, i) => (dropped[i] ? "" : caption(pair, stream)));
  const t = stream.integers(batch, 0, schedule.numTimesteps);
  const { noise, xt } = tidy(() => {
    const x0 = drawImages(digits, pairs, stream);
    const noise = stream.normal(x0.shape);
    return { noise, xt: addNoise({ x0, noise, level: noiseLevel(schedule, t) }) };
  });
  const loss = (): Scalar => mean(square(sub(network.unet.predict(xt, t, network.text.encode(captions)), noise)));
  const result = valueAndGradients(loss, network.variables);
  noise.dispose();
  xt.dispose();
  return result;
}
