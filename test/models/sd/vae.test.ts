import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fc, test } from "@fast-check/vitest";
import {
  add,
  concat,
  dispose,
  memory,
  mul,
  ones,
  profile,
  slice,
  sub,
  type Tensor,
  tidy,
  zeros,
} from "@tensorflow/tfjs-core";
import { describe, expect } from "vitest";
import { type HostTensor, randomStream, type WeightMap } from "../../../src/core";
import { openComponent, writeModelFolder } from "../../../src/io";
import { loadParameters, loadWeights, readWeights } from "../../../src/models";
import { parseVaeConfig, type Vae, vae, vaeParameterSpecs } from "../../../src/models/sd";
import { expectSidError } from "../../support/errors";
import { expectClose, numbers } from "../../support/matchers";
import { free } from "../../support/values";

const two = {
  ...{ block_out_channels: [4, 8], norm_num_groups: 2 },
  ...{ down_block_types: Array(2).fill("DownEncoderBlock2D"), up_block_types: Array(2).fill("UpDecoderBlock2D") },
};
const config = parseVaeConfig({ ...two, scaling_factor: 0.5, shift_factor: 0.25 });

function using(f: (model: Vae) => void, options = config): void {
  const model = vae(options, { name: "vae", weights: randomStream(0) });
  try {
    free(() => f(model));
  } finally {
    model.dispose();
  }
}

describe("vae", () => {
  const side = fc.integer({ min: 2, max: 9 });
  test.prop({ batch: fc.integer({ min: 1, max: 3 }), height: side, width: side }, { numRuns: 6 })(
    "halves sizes on the way in, rounded down, and doubles them on the way out; samples do not mix",
    ({ batch, height, width }) =>
      using((model) => {
        const images = randomStream(1).normal([batch, height, width, 3]);
        const latents = model.encode(images);
        expect(latents.shape).toEqual([batch, Math.floor(height / 2), Math.floor(width / 2), 4]);
        const decoded = model.decode(latents);
        expect(decoded.shape).toEqual([batch, 2 * Math.floor(height / 2), 2 * Math.floor(width / 2), 3]);
        const apart = (run: (x: Tensor) => Tensor, x: Tensor) => {
          const parts = Array.from({ length: batch }, (_, i) =>
            slice(x, [i, 0, 0, 0], [1, ...x.shape.slice(1)] as [number, number, number, number]),
          );
          return concat(
            parts.map((one) => run(one)),
            0,
          );
        };
        expectClose(apart(model.encode, images), latents, 1e-5);
        expectClose(apart(model.decode, latents), decoded, 1e-5);
      }),
  );

  test("a sample is the mean plus noise at the posterior's deviation", () =>
    using((model) => {
      const stream = randomStream(2);
      const images = stream.normal([2, 4, 6, 3]);
      const noise = stream.normal([2, 2, 3, 4]);
      const mean = model.encode(images);
      const off = (scale: number) => sub(model.encode(images, mul(noise, scale)), mean);
      expectClose(off(3), mul(off(1), 3), 1e-4);
      const [step, z] = [numbers(off(1)), numbers(noise)];
      expect(step.every((x, i) => Math.sign(x) === Math.sign(z[i] as number))).toBe(true);
    }));

  test("the logarithm of the variance is held between −30 and 20", async () => {
    const model = vae(config, { name: "vae", weights: randomStream(0) });
    const weights = new Map(await readWeights(model));
    const bias = [0, 0, 0, 0, -100, 100, 2, -2];
    const shape = (weights.get("quant_conv.weight") as HostTensor).shape;
    weights.set("quant_conv.weight", { dtype: "F32", shape, data: new Float32Array(64) });
    weights.set("quant_conv.bias", { dtype: "F32", shape: [8], data: Float32Array.from(bias) });
    await loadWeights(model, weights);
    free(() => {
      const sample = model.encode(ones([1, 2, 2, 3]), ones([1, 1, 1, 4]));
      const deviations = [Math.exp(-15), Math.exp(10), Math.exp(1), Math.exp(-1)];
      numbers(add(mul(sample, 2), 0.25)).forEach((x, i) => {
        expect(Math.abs(x - (deviations[i] as number))).toBeLessThan(1e-5 * Math.max(1, deviations[i] as number));
      });
    });
    model.dispose();
  });

  test("scaling and shift are those of the latents alone", () => {
    let plain: number[] = [];
    let given: number[] = [];
    const images = randomStream(3).normal([1, 4, 4, 3]);
    using(
      (model) => {
        plain = numbers(model.encode(images));
        given = numbers(model.decode(model.encode(images)));
      },
      parseVaeConfig({ ...two, scaling_factor: 1 }),
    );
    using((model) => {
      const z = model.encode(images);
      expectClose(add(mul(z, 2), 0.25), plain, 1e-5);
      expectClose(model.decode(z), given, 1e-5);
    });
    images.dispose();
  });

  test("weights go out to a model folder and come in again, under the attention's old names too", async () => {
    const folder = await mkdtemp(join(tmpdir(), "sid-vae-"));
    const first = vae(config, { name: "vae", weights: randomStream(0) });
    const weights = await readWeights(first);
    const images = randomStream(4).normal([1, 6, 6, 3]);
    const wanted = tidy(() => first.decode(first.encode(images)));
    first.dispose();
    const names = { to_q: "query", to_k: "key", to_v: "value", "to_out.0": "proj_attn" };
    const older = new Map<string, HostTensor>(
      [...weights].map(([name, x]) => [
        Object.entries(names).reduce((old, [now, then]) => old.replace(`.${now}.`, `.${then}.`), name),
        x,
      ]),
    );
    expect([...older.keys()].filter((name) => !weights.has(name)).length).toBe(16);
    for (const source of [weights, older]) {
      await writeModelFolder(folder, { vae: { config: {}, weights: source } });
      const component = await openComponent(folder, "vae");
      const loaded = await loadParameters("vae", vaeParameterSpecs(config), component.weights);
      await component.weights.close();
      const model = vae(config, { name: "vae", weights: loaded });
      const decoded = tidy(() => model.decode(model.encode(images)));
      expect(numbers(decoded)).toEqual(numbers(wanted));
      decoded.dispose();
      model.dispose();
    }
    const fewer = new Map([...weights].filter(([name]) => name !== "decoder.conv_in.bias"));
    expectSidError("missing-weight", () => vae(config, { name: "vae", weights: fewer }), /decoder\.conv_in\.bias/);
    const more = new Map(weights).set("query.bias", weights.get("quant_conv.bias") as HostTensor);
    expectSidError("surplus-weight", () => vae(config, { name: "vae", weights: more }), /query\.bias/);
    expectSidError("invalid-argument", () => vae(config, { name: "vae", weights: {} as WeightMap }));
    dispose([images, wanted]);
    await rm(folder, { recursive: true });
  });

  test("a folder written by diffusers loads", async () => {
    const folder = fileURLToPath(new URL("../../golden/model-folder", import.meta.url));
    const component = await openComponent(folder, "vae", { variant: "fp16" });
    const written = parseVaeConfig(component.config);
    const weights = await loadParameters("vae", vaeParameterSpecs(written), component.weights);
    await component.weights.close();
    const model = vae(written, { name: "vae", weights });
    const latents = tidy(() => model.encode(zeros([1, 8, 8, 3])));
    expect(numbers(latents).every(Number.isFinite)).toBe(true);
    dispose(latents);
    model.dispose();
  });

  test("feature maps are freed on the way: more layers take no more memory", async () => {
    const peak = async (layers: number) => {
      const model = vae(parseVaeConfig({ ...two, layers_per_block: layers }), {
        name: "vae",
        weights: randomStream(0),
      });
      const z = randomStream(5).normal([1, 16, 16, 4]);
      const before = memory().numBytes;
      const { peakBytes } = await profile(() => model.decode(z).dispose() as never);
      z.dispose();
      model.dispose();
      return peakBytes - before;
    };
    expect(await peak(4)).toBeLessThan(1.05 * (await peak(1)));
  });

  test("what does not fit is refused, and leaves nothing behind", () =>
    using((model) => {
      const image = (...shape: number[]) => randomStream(6).normal(shape);
      const before = memory().numTensors;
      const refused: readonly [() => unknown, RegExp][] = [
        [() => model.encode(image(1, 4, 4, 4)), /vae\.encode: images must be \[B, height, width, 3\]/],
        [() => model.encode(image(4, 4, 3)), /images/],
        [() => model.encode(image(1, 1, 4, 3)), /at least 2 pixels/],
        [() => model.encode(image(1, 4, 4, 3), image(1, 4, 4, 4)), /noise must have the latents' shape \[1, 2, 2, 4\]/],
        [() => model.decode(image(1, 4, 4, 3)), /vae\.decode: latents must be \[B, height, width, 4\]/],
      ];
      for (const [call, message] of refused) tidy(() => expectSidError("shape-mismatch", call, message));
      for (const junk of [undefined, null, [[1]], "zz"] as never[]) {
        expectSidError("invalid-argument", () => model.encode(junk));
        expectSidError("invalid-argument", () => model.decode(junk));
      }
      expect(memory().numTensors).toBe(before);
      expectSidError(
        "invalid-argument",
        () => vae(config, { name: "vae", weights: randomStream(0) }),
        /exists already/,
      );
      expectSidError("invalid-argument", () =>
        vae({ ...config, channels: [] }, { name: "w", weights: randomStream(0) }),
      );
      model.dispose();
      expectSidError("invalid-argument", () => model.decode(image(1, 4, 4, 4)), /disposed/);
    }));
});
