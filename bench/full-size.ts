/**
 * Stable Diffusion's U-Net at full size on the WASM backend: loads it, compares its prediction with PyTorch's, then
 * runs one whole training iteration with teacher, fake score and generator as one network and two adapters, on latents
 * of 8×8. The folder is one of bench/peers/full_size_unet.py.
 *
 *     npx tsup --no-dts --silent && npx tsx --tsconfig tsconfig.base.json bench/full-size.ts FOLDER
 */
import { tensor, tidy, tile, transpose } from "@tensorflow/tfjs-core";
import { type DistillMetrics, ddpmSchedule, distill, generatorFrom, lsg, randomStream, sidLsg } from "sid-lsg";
import { useBackend } from "sid-lsg/backends";
import { openComponent, readSafetensors } from "sid-lsg/io";
import { loadParameters, parseUnetConfig, unet, unetParameterSpecs } from "sid-lsg/models";
import { lora } from "sid-lsg/models/sd";
import { watchBytes } from "../examples/experiments/peak-bytes";

const [folder = ""] = process.argv.slice(2);
const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(2)} GB`;
async function timed<T>(what: string, f: () => Promise<T>): Promise<T> {
  const started = performance.now();
  bytes.restart();
  const result = await f();
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const resident = gigabytes(1024 * process.resourceUsage().maxRSS);
  console.log(`${what}: ${seconds} s, tensors at most ${gigabytes(bytes.peak())}, process at most ${resident}`);
  return result;
}

await useBackend("wasm");
const bytes = watchBytes();
const schedule = ddpmSchedule();
const teacher = await timed("load", async () => {
  const { config: json, weights } = await openComponent(folder, "unet");
  const config = parseUnetConfig(json);
  const parameters = await loadParameters("teacher", unetParameterSpecs(config), weights);
  await weights.close();
  return unet(config, { name: "teacher", schedule, predicts: "eps", weights: parameters, gradientCheckpointing: true });
});
const { tensors } = await readSafetensors(`${folder}/case.safetensors`);
const read = (name: string) => {
  const { data, shape } = tensors.get(name) as { data: Float32Array; shape: readonly number[] };
  return tensor(data, [...shape]);
};
const [text, wanted] = [read("text"), read("predicted")];
const predicted = await timed("predict", async () =>
  tidy(() => transpose(teacher.predict(transpose(read("sample"), [0, 2, 3, 1]), [500], text), [0, 3, 1, 2]).dataSync()),
);
const numbers = wanted.dataSync();
const norm = (x: ArrayLike<number>) => Math.hypot(...Array.from(x));
const error = norm(predicted.map((x, i) => x - (numbers[i] as number))) / norm(numbers);
console.log(`relative error against PyTorch: ${error.toExponential(1)}`);

const adapter = (name: string) => lora(teacher, { name, rank: 4, weights: randomStream(1) });
const [fakeScore, student] = [adapter("fake-score"), adapter("generator")];
const run = distill({
  teacher,
  fakeScore,
  generator: generatorFrom(student),
  conditions: { sample: (_, count) => tile(text, [count, 1, 1]), unconditional: () => text.clone() },
  method: sidLsg({ guidance: lsg(1.5) }),
  sampleShape: [8, 8, 4],
  batch: 1,
  iterations: 2,
  learningRate: 1e-4,
  checkTeacher: false,
});
const steps = run[Symbol.asyncIterator]();
for (let i = 0; i < 2; i++) {
  const { value } = await timed(`iteration ${i + 1}`, () => steps.next());
  if (!Number.isFinite((value as DistillMetrics).generatorLoss)) throw new Error("The loss is not finite.");
}
await steps.return();
process.exit(0);
