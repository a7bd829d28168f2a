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
  wordTokenizer,
} from "sid-lsg/models";
import { scheduleFromConfig } from "sid-lsg/schedules";

const examples = resolve(import.meta.dirname, "../../examples");

/** The weights that come with the page. */
export const generatorFile = join(examples, "browser/public/generator.safetensors");

/** Draws the same pictures with the library alone. */
export async function nodePictures() {
  await useBackend("wasm");
  const folder = join(examples, "quickstart/teacher");
  const [unetPart, textPart, scheduler] = await Promise.all(
    ["unet", "text_encoder", "scheduler"].map((part) => readComponent(folder, part)),
  );
  const words = JSON.parse(await readFile(join(folder, "tokenizer/words.json"), "utf8"));
  const { schedule, predicts } = scheduleFromConfig(scheduler.config);
  const network = (name, weights) => unet(parseUnetConfig(unetPart.config), { name, weights, schedule, predicts });
  const encoder = clipTextEncoder(parseClipTextConfig(textPart.config), { name: "text", weights: textPart.weights });
  const text = textConditioner({ tokenizer: wordTokenizer(words, { maxLength: 8 }), encoder });
  const teacher = network("teacher", unetPart.weights);
  const generator = generatorFrom(network("generator", (await readSafetensors(generatorFile)).tensors));
  return async (caption, seed) => {
    const both = tidy(() => {
      const noise = randomStream(seed).normal([1, 8, 8, 3]);
      const [cond, uncond] = [text.encode([caption]), text.encode([""])];
      const slow = ddimSample(teacher, { noise, cond, uncond, steps: 50, guidanceScale: 1.15 });
      return concat([generator.generate([noise], cond), slow]);
    });
    const bytes = Array.from(await both.data(), (x) => 255 * Math.min(1, Math.max(0, x * 0.2899 + 0.1774)));
    both.dispose();
    return { generator: bytes.slice(0, 192), teacher: bytes.slice(192) };
  };
}

/** Asserts that no byte of two pictures is further apart than rounding and float32 take it. */
export function assertSame(actual, expected, most = 2) {
  for (const artist of ["generator", "teacher"]) {
    const gap = Math.max(...actual[artist].map((byte, i) => Math.abs(byte - expected[artist][i])));
    assert.ok(gap <= most, `${artist}: a byte differs by ${gap}`);
  }
}
