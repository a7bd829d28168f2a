import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { decodeSafetensors } from "../../../src/io";
import { type InceptionProtocol, inceptionV3 } from "../../../src/models/features";
import { hashedPictures, hashedWeights } from "../../support/hashed";
import { relativeError } from "../../support/matchers";

// The whole way of 299 × 299 pixels takes a second a picture here, and half a minute in plain JavaScript.

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
