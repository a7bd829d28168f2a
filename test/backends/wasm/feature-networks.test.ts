import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { randomStream } from "../../../src/core";
import { decodeSafetensors } from "../../../src/io";
import { efficientNetLite0, type InceptionProtocol, inceptionV3 } from "../../../src/models/features";
import { hashedPictures, hashedWeights } from "../../support/hashed";
import { relativeError } from "../../support/matchers";

// Whole pictures take a second here, and half a minute in plain JavaScript.

const folder = new URL("../../golden/", import.meta.url);
const parameters = JSON.parse(readFileSync(new URL("inception-parameters.json", folder), "utf8")) as string[];
const weights = hashedWeights(parameters);
const { tensors } = decodeSafetensors(readFileSync(new URL("inception.safetensors", folder)));

const protocols = ["pytorch-fid", "clean-fid", "tensorflow"] as const satisfies readonly InceptionProtocol[];
test.each(protocols)("from bytes to features as %s goes", async (protocol) => {
  const network = inceptionV3({ weights, protocol });
  const { features, logits } = await network.features(hashedPictures([1, 40, 56, 3], 1002));
  network.dispose();
  const wanted = (what: string) => tensors.get(`${protocol}.${what}`)?.data as Float32Array;
  expect(relativeError(features, wanted("features"))).toBeLessThan(1e-4);
  // pytorch-fid itself gives no logits.
  if (protocol !== "pytorch-fid") expect(relativeError(logits ?? [], wanted("logits"))).toBeLessThan(1e-4);
});

test("pictures a few at a time give what each gives alone", async () => {
  const network = efficientNetLite0({ weights: randomStream(1), batch: 2 });
  const { data, shape } = hashedPictures([3, 20, 30, 3], 3);
  const [, height, width, channels] = shape;
  const together = await network.features({ data, shape });
  const alone = { features: [] as number[], logits: [] as number[] };
  for (let i = 0; i < 3; i++) {
    const one = data.subarray(i * 1800, (i + 1) * 1800);
    const { features, logits } = await network.features({ data: one, shape: [1, height, width, channels] });
    alone.features.push(...features);
    alone.logits.push(...(logits ?? []));
  }
  network.dispose();
  expect(together.features.length).toBe(3 * 1280);
  expect(relativeError(together.features, alone.features)).toBeLessThan(1e-5);
  expect(relativeError(together.logits ?? [], alone.logits)).toBeLessThan(1e-5);
});
