import {
  add,
  memory,
  mul,
  sum,
  type Tensor,
  type Tensor4D,
  tensor4d,
  tidy,
  type Variable,
} from "@tensorflow/tfjs-core";
import { describe, expect, test, vi } from "vitest";
import { pullback, randomStream, SidError } from "../../../src/core";
import { readWeights } from "../../../src/models";
import { type ClipModel, clipModel, loadClip, type Pictures, parseClipConfig } from "../../../src/models/features";
import { standardised } from "../../../src/models/features/clip/preprocessing";
import { clipFolder, type GoldenClip, goldenClip, goldenClips } from "../../support/clip";
import { expectClose, relativeError } from "../../support/matchers";
import { expectSlope } from "../../support/slopes";

/** Texts that stand for the golden rows of ids. */
const tokenizerOf = (golden: GoldenClip) => (texts: readonly string[]) =>
  texts.map((text) => [...(golden.ids[Number(text)] as readonly number[])]);
const textsOf = (golden: GoldenClip) => golden.ids.map((_, i) => String(i));

async function withClip(golden: GoldenClip, use: (model: ClipModel) => Promise<void>, batch = 8) {
  const model = await loadClip(clipFolder(golden), { tokenizer: tokenizerOf(golden), batch });
  try {
    await use(model);
  } finally {
    model.dispose();
  }
}

/** Several pictures of one size as one. */
function together(pictures: readonly Pictures[]): Pictures {
  const [, height, width, channels] = (pictures[0] as Pictures).shape;
  const data = Uint8Array.from(pictures.flatMap(({ data }) => [...data]));
  return { data, shape: [pictures.length, height, width, channels] };
}

describe("CLIP computes what transformers' CLIPModel and open_clip compute", () => {
  for (const name of goldenClips)
    test(name, async () => {
      const golden = goldenClip(name);
      await withClip(golden, async (model) => {
        const { dimension } = model;
        const rows: number[] = [];
        for (const [i, picture] of golden.pictures.entries()) {
          const pixels = standardised(picture, [0, 1], model.config.vision.imageSize, model.preprocessing);
          expectClose(pixels, golden.pixels[i] as Float32Array, 1e-6);
          rows.push(...(await model.imageEmbeddings(picture)));
        }
        expect(rows).toHaveLength(golden.pictures.length * dimension);
        expectClose(rows, golden.image, 1e-4);
        const texts = await model.textEmbeddings(textsOf(golden));
        expectClose(texts, golden.text, 1e-4);
        const scale = await model.logitScale();
        const row = (x: ArrayLike<number>, i: number) => Array.from(x).slice(i * dimension, (i + 1) * dimension);
        const logits = golden.pictures.flatMap((_, i) =>
          golden.ids.map((_, j) => {
            const other = row(texts, j);
            return scale * row(rows, i).reduce((sum, x, k) => sum + x * (other[k] as number), 0);
          }),
        );
        expectClose(logits, golden.logits, 1e-4);
      });
    });
});

describe("clipModel", () => {
  test("as a feature network it gives the embeddings before they are normalised, however many at a time", async () => {
    const golden = goldenClip("gelu");
    const pictures = together([3, 3, 3].map((i, n) => shifted(golden.pictures[i] as Pictures, n)));
    const results: Float32Array[] = [];
    for (const batch of [1, 2, 8])
      await withClip(
        golden,
        async (model) => {
          const held = memory().numTensors;
          const { features, logits } = await model.features(pictures);
          expect([features.length, logits]).toEqual([3 * model.dimension, undefined]);
          const unit = await model.imageEmbeddings(pictures);
          await model.textEmbeddings(textsOf(golden));
          expect(memory().numTensors).toBe(held);
          for (let n = 0; n < 3; n++) {
            const [long, one] = [features, unit].map((x) => x.subarray(n * model.dimension, (n + 1) * model.dimension));
            expect(norm(one as Float32Array)).toBeCloseTo(1, 6);
            expectClose(
              (one as Float32Array).map((x) => x * norm(long as Float32Array)),
              long as Float32Array,
              1e-6,
            );
          }
          results.push(features);
        },
        batch,
      );
    expect(
      relativeError((results[0] as Float32Array).subarray(6, 12), (results[0] as Float32Array).subarray(0, 6)),
    ).not.toBe(0);
    for (const other of results.slice(1)) expectClose(other, results[0] as Float32Array, 1e-6);
  });

  test("what pads a text has no part in its embedding", async () => {
    const golden = goldenClip("gelu");
    await withClip(golden, async (model) => {
      tidy(() => {
        const [short, long, other] = [[[11, 3, 12]], [[11, 3, 12, 0, 0, 0, 0]], [[11, 3, 12, 12, 12, 12, 7]]].map(
          (ids) => model.encodeTokens(ids).dataSync(),
        );
        expectClose(long as Float32Array, short as Float32Array, 1e-6);
        expectClose(other as Float32Array, short as Float32Array, 1e-6);
      });
    });
  });

  test("both towers are differentiable: the image tower in its input, both in their weights", async () => {
    const golden = goldenClip("gelu");
    await withClip(golden, async (model) => {
      const stream = randomStream(3);
      tidy(() => {
        const [x, direction] = [stream.normal([2, 12, 12, 3]), stream.normal([2, 12, 12, 3])];
        const cotangent = stream.normal([2, 6]);
        expectSlope((x) => model.forward(x).features, x, direction, cotangent);
        const towers: readonly [string, () => Tensor][] = [
          ["vision_model.embeddings.position_embedding.weight", () => model.forward(x).features],
          ["vision_model.embeddings.class_embedding", () => model.forward(x).features],
          ["vision_model.embeddings.patch_embedding.weight", () => model.forward(x).features],
          ["text_model.encoder.layers.0.mlp.fc1.weight", () => model.encodeTokens(golden.ids.slice(0, 2))],
          ["text_projection.weight", () => model.encodeTokens(golden.ids.slice(0, 2))],
        ];
        for (const [name, f] of towers) {
          const v = model.variables.find((v) => v.name === `${model.name}/${name}`) as Variable;
          const [step, start] = [mul(stream.normal(v.shape), v.size ** -0.5), v.clone()];
          const [gradient] = pullback(f, cotangent, [v]) as [Tensor];
          const along = (sign: number) => {
            v.assign(add(start, mul(step, sign * 2 ** -6)));
            return dot(f(), cotangent);
          };
          const slope = (along(1) - along(-1)) / 2 ** -5;
          v.assign(start);
          expect(Math.abs(dot(gradient, step) - slope), name).toBeLessThan(5e-3 * length(gradient) * length(step));
        }
      });
    });
  });

  test("its weights go out and in again; once disposed of it says so", async () => {
    const golden = goldenClip("open-gelu");
    await withClip(golden, async (model) => {
      const weights = await readWeights(model);
      expect(weights.get("logit_scale")?.shape).toEqual([]);
      const copy = clipModel(model.config, { name: "copy", weights, tokenizer: tokenizerOf(golden) });
      const picture = golden.pictures[0] as Pictures;
      expectClose((await copy.features(picture)).features, (await model.features(picture)).features, 1e-6);
      for (const v of model.variables)
        expect(v.name.slice(model.name.length)).toMatch(/^\/(text_model|vision_model|.*projection|logit_scale)/);
      copy.dispose();
      copy.dispose();
      await expect(copy.imageEmbeddings(picture)).rejects.toThrow(/disposed/);
      await expect(copy.textEmbeddings(["0"])).rejects.toThrow(/disposed/);
    });
  });

  test("pictures, texts and tensors that do not fit are refused before any work", async () => {
    const golden = goldenClip("quick-gelu");
    await withClip(golden, async (model) => {
      const picture = golden.pictures[0] as Pictures;
      const bad: readonly [unknown, RegExp][] = [
        [{ ...picture, data: Float32Array.from(picture.data) }, /Uint8Array/],
        [{ data: new Uint8Array(14 * 14), shape: [1, 14, 14, 1] }, /3 channels/],
        [{ data: new Uint8Array(5), shape: picture.shape }, /588 bytes, got 5/],
        [{ data: new Uint8Array(0), shape: [0, 14, 14, 3] }, /count/],
        [undefined, /pictures/],
      ];
      for (const [pictures, message] of bad) {
        await expect(model.imageEmbeddings(pictures as Pictures)).rejects.toThrow(message);
        await expect(model.features(pictures as Pictures)).rejects.toBeInstanceOf(SidError);
      }
      await expect(model.textEmbeddings([])).rejects.toThrow(/at least one text/);
      await expect(model.textEmbeddings("a fox" as never)).rejects.toBeInstanceOf(SidError);
      await expect(model.textEmbeddings(["0", 3 as never])).rejects.toThrow(/got 3 at 1/);
      expect(() => model.encodeTokens([[1, 2], [1]])).toThrow(SidError);
      expect(() => model.encodeTokens([[13]])).toThrow(/token id/);
      const x = tensor4d(new Float32Array(12 * 12 * 3), [1, 12, 12, 3]);
      expect(() => model.forward(x)).toThrow("must be [B, 14, 14, 3], got [1, 12, 12, 3]");
      expect(() => model.forward(3 as unknown as Tensor4D)).toThrow(SidError);
      x.dispose();
    });
  });

  test("a text without its end, of a tokenizer of another model, is refused", async () => {
    const golden = goldenClip("gelu");
    await withClip(golden, async (model) => {
      expect(() => model.encodeTokens([[11, 3, 4]])).toThrow(/no token 12.*eos_token_id/);
    });
  });

  test("weights that overflow are told, not scored", async () => {
    const golden = goldenClip("gelu");
    await withClip(golden, async (model) => {
      const weights = new Map(await readWeights(model));
      const name = "vision_model.post_layernorm.weight";
      const old = weights.get(name);
      if (old) weights.set(name, { ...old, data: new Float32Array(old.data.length).fill(3e38) });
      const copy = clipModel(model.config, { name: "copy", weights, tokenizer: tokenizerOf(golden) });
      await expect(copy.imageEmbeddings(golden.pictures[0] as Pictures)).rejects.toMatchObject({ code: "not-finite" });
      copy.dispose();
    });
  });

  test("a name that is taken, options that are none and settings that make no sense leave nothing behind", () => {
    const layers = { hidden_size: 8, intermediate_size: 8, num_hidden_layers: 1, num_attention_heads: 2 };
    const config = parseClipConfig({
      projection_dim: 4,
      vision_config: { ...layers, image_size: 8, patch_size: 4 },
      text_config: { ...layers, vocab_size: 13, max_position_embeddings: 7 },
    });
    const good = { name: "clip", weights: randomStream(0), tokenizer: vi.fn() };
    const model = clipModel(config, good);
    const before = memory().numTensors;
    for (const change of [
      {},
      { name: "" },
      { name: "b", batch: 0 },
      { name: "b", tokenizer: 3 },
      { name: "b", weights: new Map() },
      { name: "b", preprocessing: { edge: 7 } },
      { name: "b", preprocessing: { std: [1, 0, 1] } },
      { name: "b", preprocessing: { crop: 8 } },
      { name: "b", size: 8 },
    ])
      expect(() => clipModel(config, { ...good, ...change } as never), JSON.stringify(change)).toThrow(SidError);
    expect(() => clipModel({ ...config, dimension: 0 }, { ...good, name: "b" })).toThrow(SidError);
    expect(() => clipModel(undefined as never, { ...good, name: "b" })).toThrow(SidError);
    expect(memory().numTensors).toBe(before);
    model.dispose();
  });
});

const dot = (a: Tensor, b: Tensor) => sum(mul(a, b)).dataSync()[0] as number;
const length = (a: Tensor) => Math.sqrt(dot(a, a));

function norm(x: Float32Array): number {
  return Math.hypot(...x);
}

/** The same picture with its bytes moved along by a few. */
function shifted({ data, shape }: Pictures, by: number): Pictures {
  return { data: data.map((_, i) => data[(i + 100 * by) % data.length] as number), shape };
}
