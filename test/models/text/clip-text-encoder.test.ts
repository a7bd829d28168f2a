import { readFileSync } from "node:fs";
import { fc, test } from "@fast-check/vitest";
import { memory, slice, type Tensor, tensor, tidy, transpose } from "@tensorflow/tfjs-core";
import { describe, expect, vi } from "vitest";
import { type HostTensor, pullback, randomStream, SidError } from "../../../src/core";
import { decodeSafetensors } from "../../../src/io";
import {
  clipTextEncoder,
  clipTextParameterSpecs,
  parseClipTextConfig,
  readWeights,
  textConditioner,
  wordTokenizer,
} from "../../../src/models";
import { expectClose, numbers, relativeError } from "../../support/matchers";

/** Real configurations, and the sorted "name shape" of every parameter that transformers gives them. */
const stableDiffusion = JSON.parse(
  readFileSync(new URL("../../golden/clip-parameters.json", import.meta.url), "utf8"),
) as Record<string, { config: Record<string, unknown>; parameters: string[] }>;

const small = {
  vocab_size: 9,
  hidden_size: 8,
  intermediate_size: 12,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  max_position_embeddings: 6,
};

describe("clipTextEncoder computes what transformers' CLIPTextModel computes", () => {
  for (const name of ["quick-gelu", "gelu", "sd21"])
    test(`${name}: states and the gradient of every weight`, () => {
      const file = readFileSync(new URL(`../../golden/clip-${name}.safetensors`, import.meta.url));
      const { tensors, metadata } = decodeSafetensors(file);
      const config = parseClipTextConfig(JSON.parse(metadata["config"] as string));
      const host = (key: string) => tensors.get(key) as HostTensor;
      const weights = new Map(
        [...tensors].filter(([key]) => key.startsWith("weight.")).map(([k, v]) => [k.slice(7), v]),
      );
      const encoder = clipTextEncoder(config, { name: "golden", weights });
      const [batch, length] = host("ids").shape as [number, number];
      const flat = Array.from(host("ids").data, Number);
      const ids = Array.from({ length: batch }, (_, i) => flat.slice(i * length, (i + 1) * length));
      const specs = clipTextParameterSpecs(config);
      expect(encoder.variables.map((v) => v.name)).toEqual(specs.map((spec) => `golden/${spec.name}`));
      tidy(() => {
        expectClose(encoder.encode(ids), host("output").data as Float32Array, 1e-4);
        const cotangent = tensor(host("cotangent").data as Float32Array, [...host("cotangent").shape]);
        const gradients = pullback(() => encoder.encode(ids), cotangent, encoder.variables);
        const bad = gradients.flatMap((gradient, i) => {
          const spec = specs[i] as (typeof specs)[number];
          const actual = spec.layout === "linear" ? transpose(gradient, [1, 0]) : gradient;
          const wanted = host(`gradient.${spec.name}`).data as Float32Array;
          expect(actual.shape).toEqual(spec.shape);
          // Keys may be shifted at will, so this gradient is rounding noise around 0: measured by that of the weight.
          const scale = spec.name.endsWith("k_proj.bias")
            ? (host(`gradient.${spec.name.replace("bias", "weight")}`).data as Float32Array)
            : wanted;
          const error = (relativeError(actual, wanted) * norm(wanted)) / norm(scale);
          return error <= 1e-4 ? [] : [`${spec.name}: ${error}`];
        });
        expect(bad).toEqual([]);
      });
      encoder.dispose();
    });
});

describe("clipTextEncoder", () => {
  const withEncoder = async (f: (encoder: ReturnType<typeof clipTextEncoder>) => void | Promise<void>) => {
    const encoder = clipTextEncoder(parseClipTextConfig(small), { name: "text", weights: randomStream(1) });
    await f(encoder);
    encoder.dispose();
  };

  test("a token does not see those after it, nor other prompts", () =>
    withEncoder((encoder) => {
      tidy(() => {
        const [a, b] = [
          encoder.encode([[1, 4, 5, 2]]),
          encoder.encode([
            [3, 3, 3, 3],
            [1, 4, 7, 8],
          ]),
        ];
        expectClose(slice(b, [1, 0, 0], [1, 2, 8]), slice(a, [0, 0, 0], [1, 2, 8]), 1e-5);
        expect(relativeError(slice(b, [1, 2, 0], [1, 1, 8]), slice(a, [0, 2, 0], [1, 1, 8]))).toBeGreaterThan(1e-2);
      });
    }));

  test("it keeps nothing but its answer, and frees its variables", async () => {
    const before = memory().numTensors;
    await withEncoder((encoder) => {
      const held = memory().numTensors;
      const states = encoder.encode([[1, 2, 3]]);
      expect(memory().numTensors).toBe(held + 1);
      expect(states.shape).toEqual([1, 3, 8]);
      states.dispose();
      for (const v of encoder.variables) expect(v.name).toMatch(/^text\/text_model\./);
    });
    expect(memory().numTensors).toBe(before);
  });

  test("its weights go out and in again, under old names and new, with the position buffer of older files", () =>
    withEncoder(async (encoder) => {
      const weights = new Map(await readWeights(encoder));
      const bare = new Map([...weights].map(([name, weight]) => [name.replace("text_model.", ""), weight]));
      const buffer: HostTensor = { dtype: "I64", shape: [1, 6], data: new BigInt64Array(6) };
      weights.set("text_model.embeddings.position_ids", buffer);
      for (const source of [weights, bare, new Map(bare).set("embeddings.position_ids", buffer)]) {
        const copy = clipTextEncoder(encoder.config, { name: "copy", weights: source });
        tidy(() => {
          expect(numbers(copy.encode([[1, 2]]))).toEqual(numbers(encoder.encode([[1, 2]])));
        });
        copy.dispose();
      }
      const mixed = new Map(weights).set("final_layer_norm.bias", buffer);
      expect(() => clipTextEncoder(encoder.config, { name: "copy", weights: mixed })).toThrow(/final_layer_norm\.bias/);
      weights.delete("text_model.final_layer_norm.bias");
      expect(() => clipTextEncoder(encoder.config, { name: "copy", weights })).toThrow(/final_layer_norm\.bias/);
    }));

  test("what is no source of weights, and a name that is none or taken, are refused and leave nothing behind", () =>
    withEncoder((encoder) => {
      const before = memory().numTensors;
      const weights = randomStream(1);
      for (const bad of [undefined, null, 3, {}, [], new Map()])
        expect(() => clipTextEncoder(encoder.config, { name: "bad", weights: bad as never })).toThrow(SidError);
      for (const name of ["", undefined, "text"])
        expect(() => clipTextEncoder(encoder.config, { name: name as string, weights })).toThrow(SidError);
      expect(memory().numTensors).toBe(before);
    }));

  test("token ids that do not fit are refused", () =>
    withEncoder((encoder) => {
      const before = memory().numTensors;
      const bad: unknown[] = [
        [],
        [[]],
        [[1, 2], [1]],
        [[9]],
        [[-1]],
        [[1.5]],
        [[Number.NaN]],
        [["red"]],
        [1, 2],
        [[1, 1, 1, 1, 1, 1, 1]],
        undefined,
        "red",
      ];
      for (const ids of bad) expect(() => encoder.encode(ids as number[][])).toThrow(SidError);
      expect(memory().numTensors).toBe(before);
    }));

  test("textConditioner encodes prompts, the empty one too, and a gradient reaches the embeddings", () =>
    withEncoder((encoder) => {
      const tokenizer = wordTokenizer(["red", "blue", "seven"], { maxLength: 5 });
      const text = textConditioner({ tokenizer, encoder });
      tidy(() => {
        const states = text.encode(["red seven", ""]);
        expect(states.shape).toEqual([2, 5, 8]);
        expect(numbers(states)).toEqual(
          numbers(
            encoder.encode([
              [1, 4, 6, 2, 0],
              [1, 2, 0, 0, 0],
            ]),
          ),
        );
        const dy = randomStream(2).normal([1, 5, 8]);
        const [table] = pullback(() => text.encode(["blue"]), dy, encoder.variables) as [Tensor];
        const rows = Array.from({ length: 9 }, (_, i) => numbers(slice(table, [i, 0], [1, 8])).some((g) => g !== 0));
        expect(rows).toEqual([true, true, true, false, false, true, false, false, false]);
        for (const prompts of [[], undefined, "red", [3], ["mauve"]])
          expect(() => text.encode(prompts as string[])).toThrow(SidError);
      });
      expect(() => textConditioner({ tokenizer: undefined as never, encoder })).toThrow(SidError);
      expect(() => textConditioner({ tokenizer, encoder: {} as never })).toThrow(SidError);
    }));
});

describe("parseClipTextConfig", () => {
  test.each(Object.entries(stableDiffusion))("%s: the parameters are transformers'", (_, { config, parameters }) => {
    const ours = clipTextParameterSpecs(parseClipTextConfig(config)).map(
      ({ name, shape }) => `${name} ${shape.join(",")}`,
    );
    expect(ours.sort()).toEqual(parameters);
  });

  test.prop({
    bad: fc.constantFrom<unknown>(
      null,
      3,
      [],
      "clip",
      { hidden_act: "relu" },
      { hidden_size: 0 },
      { hidden_size: 7.5 },
      { hidden_size: "8" },
      { num_attention_heads: 3, hidden_size: 8 },
      { layer_norm_eps: 0 },
      { layer_norm_eps: Number.NaN },
      { vocab_size: -1 },
      { num_hidden_layers: null },
      { max_position_embeddings: undefined },
    ),
  })("what makes no sense is refused", ({ bad }) => {
    expect(() => parseClipTextConfig(bad)).toThrow(SidError);
  });

  test.prop({ key: fc.constantFrom("rope_theta", "use_bias", "text_config"), value: fc.anything() })(
    "an unknown key is refused by name",
    ({ key, value }) => {
      expect(() => parseClipTextConfig({ [key]: value })).toThrow(new RegExp(`"${key}" is not supported`));
    },
  );

  test("a file of transformers 4, which wrote the options of text generation too, is read without a word", () => {
    const onWarning = vi.fn();
    const old = {
      pruned_heads: {},
      temperature: 1,
      top_k: 50,
      forced_bos_token_id: null,
      is_decoder: false,
      dropout: 0,
    };
    expect(parseClipTextConfig({ ...old, transformers_version: "4.22.0.dev0" }, { onWarning })).toEqual(
      parseClipTextConfig({}),
    );
    expect(onWarning).not.toHaveBeenCalled();
  });

  test("a key that no transformers has is passed over with one warning, a whole CLIP refused", () => {
    const onWarning = vi.fn();
    const own = { decay: 0.9, my_trainer: { lr: 1 }, transformers_version: "5.24.0" };
    expect(parseClipTextConfig(own, { onWarning })).toEqual(parseClipTextConfig({}));
    expect(onWarning.mock.calls).toEqual([[expect.stringMatching(/decay, my_trainer\.$/)]]);
    expect(() => parseClipTextConfig({ text_config: {}, transformers_version: "4.30.0" })).toThrow(/a whole CLIP/);
    expect(() => parseClipTextConfig({ pruned_heads: { 0: [1] } })).toThrow(/pruned_heads/);
    expect(() => parseClipTextConfig({ quantization_config: {}, hidden_act: null })).toThrow(/hidden_act/);
  });

  test("values that are not implemented are refused by name", () => {
    expect(() => parseClipTextConfig({ model_type: "t5" })).toThrow(/model_type = "t5"/);
    expect(() => parseClipTextConfig({ attention_dropout: 0.1 })).toThrow(/attention_dropout = 0.1/);
  });
});

function norm(x: ArrayLike<number>): number {
  return Math.hypot(...Array.from(x));
}
