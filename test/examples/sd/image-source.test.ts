import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { add, dispose, memory, mul, onesLike, slice, sub, type Tensor, tensor4d, tidy } from "@tensorflow/tfjs-core";
import { encode } from "fast-png";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ImageFolder, openImageFolder } from "../../../examples/sd/images/open";
import { squareOf } from "../../../examples/sd/images/resize";
import { imageFolderSource } from "../../../examples/sd/images/source";
import { writeTinyModel } from "../../../examples/sd/tiny-model";
import { randomStream } from "../../../src/core";
import { loadStableDiffusion } from "../../../src/models/sd";
import { expectClose, numbers } from "../../support/matchers";

const home = mkdtempSync(join(tmpdir(), "sid-lsg-image-source-"));
const [size, scale] = [16, 8];
const captions = ["a red fox", "a blue boat", "painting of a cat in the snow", ""];
let model: Awaited<ReturnType<typeof load>>;
let folder: ImageFolder;

const load = (path: string) => loadStableDiffusion(path, { parts: ["text", "vae"] });

beforeAll(async () => {
  const [tiny, pictures] = [join(home, "tiny"), mkdtempSync(join(home, "pictures-"))];
  await writeTinyModel(tiny, 0);
  model = await load(tiny);
  const stream = randomStream(5);
  for (const [i, caption] of captions.entries()) {
    const [width, height] = [20 + 3 * i, 17 + i];
    const data = Uint8Array.from(stream.uniform(width * height * 3), (u) => 256 * u);
    writeFileSync(join(pictures, `${i}.png`), encode({ width, height, channels: 3, data }));
    if (caption !== "") writeFileSync(join(pictures, `${i}.txt`), caption);
  }
  folder = await openImageFolder(pictures, { onWarning: () => {} });
});
afterAll(() => {
  model.dispose();
  rmSync(home, { recursive: true, force: true });
});

const source = (batch?: number) => imageFolderSource(folder, { vae: model.vae, conditioner: model.text, size, batch });

describe("imageFolderSource", () => {
  test("a rank's rows are those of the whole batch, and the stream stands alike", () => {
    const [whole, share] = [randomStream(3), randomStream(3)];
    const all = source().sample(whole, 6);
    const rows = source().sampleRows?.(share, 6, { from: 2, to: 5 });
    expect(share.state()).toEqual(whole.state());
    for (const key of ["images", "cond"] as const) {
      const some = tidy(() => slice(all[key] as Tensor, 2, 3));
      expectClose(rows?.[key] as Tensor, some);
      some.dispose();
    }
    dispose({ ...all });
    dispose({ ...rows });
  });

  test("gives latents as diffusers' latent_dist.sample() · scaling_factor, and the captions' conditions", () => {
    const count = 5;
    const stream = randomStream(1);
    const { images, cond } = source().sample(stream, count);
    expect(images.shape).toEqual([count, size / scale, size / scale, 4]);

    const again = randomStream(1);
    const places = again.integers(count, 0, captions.length);
    expect(new Set(places).size).toBeGreaterThan(1);
    const noise = again.normal([count, size / scale, size / scale, 4]);
    expect(stream.state()).toEqual(again.state());
    const expected = tidy(() => {
      const pixels = places.flatMap((i) => Array.from(squareOf(folder.picture(i), size).data, (v) => v / 127.5 - 1));
      const encoder = model.vae;
      const input = tensor4d(pixels, [count, size, size, 3]);
      // mean + deviation · noise, where a sample with noise 1 is mean + deviation.
      const mean = encoder.encode(input);
      const deviation = sub(encoder.encode(input, onesLike(noise)), mean);
      return add(mean, mul(deviation, noise));
    });
    expectClose(images, expected, 1e-5);
    expect(numbers(expected).every((x) => Number.isFinite(x) && x !== 0)).toBe(true);
    const texts = model.text.encode(places.map((i) => captions[i] as string));
    expect(numbers(cond as Tensor)).toEqual(numbers(texts));
    dispose([images, cond as Tensor, noise, expected, texts]);
  });

  test.each([2, 3, 99])("gives the same where the VAE encodes %i at a time", (batch) => {
    const [one, some] = [source(), source(batch)].map((from) => from.sample(randomStream(2), 5)) as [
      ReturnType<ReturnType<typeof source>["sample"]>,
      ReturnType<ReturnType<typeof source>["sample"]>,
    ];
    expectClose(some.images, one.images, 1e-6);
    dispose([one.images, one.cond as Tensor, some.images, some.cond as Tensor]);
  });

  test("without a conditioner there are no conditions", () => {
    const { images, ...others } = imageFolderSource(folder, { vae: model.vae, size }).sample(randomStream(1), 1);
    expect(others).toEqual({});
    images.dispose();
  });

  test("is named by the content and the size", () => {
    expect(source().name).toBe(`4 pictures ${folder.fingerprint} at 16 pixels`);
  });

  test("leaves nothing where a picture cannot be read, or a caption not be encoded", () => {
    const before = memory().numTensors;
    let reads = 0;
    const broken: ImageFolder = {
      ...folder,
      picture(i) {
        if (++reads === 3) throw new Error("--images: gone");
        return folder.picture(i);
      },
    };
    const options = { vae: model.vae, conditioner: model.text, size };
    expect(() => imageFolderSource(broken, options).sample(randomStream(1), 4)).toThrow("--images: gone");
    expect(memory().numTensors).toBe(before);
    const mute = {
      encode() {
        throw new Error("no words");
      },
    };
    expect(() => imageFolderSource(folder, { ...options, conditioner: mute }).sample(randomStream(1), 1)).toThrow(
      "no words",
    );
    expect(memory().numTensors).toBe(before);
  });

  test.each([0, 4, 12, 16.5, Number.NaN])("refuses %d pixels", (wrong) => {
    expect(() => imageFolderSource(folder, { vae: model.vae, size: wrong })).toThrow(/the VAE takes multiples of 8\.$/);
  });
});
