// The pictures that the page of examples/browser should show, from the library alone.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { concat, tidy } from "@tensorflow/tfjs-core";
import { ddimSample, randomStream } from "sid-lsg";
import { useBackend } from "sid-lsg/backends";
import { readComponent, readSafetensors } from "sid-lsg/io";
import {
  clipTextEncoder,
  generatorFrom,
  parseClipTextConfig,
  parseUnetConfig,
  textConditioner,
  unet,
  unpatchify,
  wordTokenizer,
} from "sid-lsg/models";
import { scheduleFromConfig } from "sid-lsg/schedules";

const examples = resolve(import.meta.dirname, "../../examples");

/** The teacher in full precision. */
export const teacherFolder = join(examples, "quickstart/teacher");
/** The weights that come with the page. */
export const generatorFile = join(examples, "browser/public/generator.safetensors");

/** Bytes of a picture. */
const bytesEach = 24 * 24 * 3;
let networks = 0;

/** Draws the page's pictures with the library alone, with the teacher of that folder and the generator of that file. */
export async function nodePictures(folder, file = generatorFile) {
  await useBackend("wasm");
  const [unetPart, textPart, scheduler] = await Promise.all(
    ["unet", "text_encoder", "scheduler"].map((part) => readComponent(folder, part)),
  );
  const words = JSON.parse(await readFile(join(folder, "tokenizer/words.json"), "utf8"));
  const { schedule, predicts } = scheduleFromConfig(scheduler.config);
  networks++;
  const network = (name, weights) =>
    unet(parseUnetConfig(unetPart.config), { name: name + networks, weights: widened(weights), schedule, predicts });
  const encoder = clipTextEncoder(parseClipTextConfig(textPart.config), {
    name: `text${networks}`,
    weights: widened(textPart.weights),
  });
  const text = textConditioner({ tokenizer: wordTokenizer(words, { maxLength: 10 }), encoder });
  const teacher = network("teacher", unetPart.weights);
  const generator = generatorFrom(network("generator", (await readSafetensors(file)).tensors));
  return async (caption, seed) => {
    const both = tidy(() => {
      const noise = randomStream(seed).normal([8, 8, 8, 27]);
      const [cond, uncond] = [text.encode(Array(8).fill(caption)), text.encode([""])];
      const slow = ddimSample(teacher, { noise, cond, uncond, steps: 50, guidanceScale: 1.5 });
      return unpatchify(concat([generator.generate([noise], cond), slow]), 3);
    });
    const bytes = Array.from(await both.data(), (x) => 255 * Math.min(1, Math.max(0, x * 0.279 + 0.135)));
    both.dispose();
    return { generator: bytes.slice(0, 8 * bytesEach), teacher: bytes.slice(8 * bytesEach) };
  };
}

/** The first picture of each artist. */
export function firstOf({ generator, teacher }) {
  return { generator: generator.slice(0, bytesEach), teacher: teacher.slice(0, bytesEach) };
}

/** Float32 of what is in eight bits: (byte − 128) · scale, a scale for each row. */
export function widened(tensors) {
  const all = [...tensors].filter(([name]) => !name.endsWith(".scale"));
  return new Map(
    all.map(([name, tensor]) => {
      const scale = tensors.get(`${name}.scale`);
      if (tensor.dtype !== "U8") return [name, tensor];
      const data = new Float32Array(tensor.data.length);
      const length = data.length / tensor.shape[0];
      for (let i = 0; i < data.length; i++) data[i] = scale.data[(i - (i % length)) / length] * (tensor.data[i] - 128);
      return [name, { dtype: "F32", shape: tensor.shape, data }];
    }),
  );
}

/** Asserts that no byte of two pictures is further apart than rounding and float32 take it. */
export function assertSame(actual, expected, most = 2) {
  for (const artist of ["generator", "teacher"]) {
    assert.equal(actual[artist].length, expected[artist].length);
    const gap = distance(actual[artist], expected[artist]);
    assert.ok(gap <= most, `${artist}: a byte differs by ${gap}`);
  }
}

/** The largest difference of two bytes. */
export const distance = (a, b) => a.reduce((most, byte, i) => Math.max(most, Math.abs(byte - b[i])), 0);
