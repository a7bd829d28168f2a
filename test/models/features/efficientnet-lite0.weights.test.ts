import { readFileSync } from "node:fs";
import { decode } from "fast-png";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadStamps } from "../../../examples/quickstart/sheet";
import { decodeSafetensors } from "../../../src/io";
import { featureStatistics, frechetDistance } from "../../../src/metrics";
import { type FeatureNetwork, loadFeatureNetwork, type Pictures, resizePictures } from "../../../src/models/features";
import { relativeError } from "../../support/matchers";

const golden = new URL("../../golden/", import.meta.url);
const { tensors } = decodeSafetensors(readFileSync(new URL("efficientnet.safetensors", golden)));

let network: FeatureNetwork;
beforeAll(async () => {
  network = await loadFeatureNetwork(process.env["SID_EFFICIENTNET_LITE0"] as string);
});
afterAll(() => network.dispose());

/** Pictures of one size, one after another. */
function together(pictures: readonly ArrayLike<number>[], side: number): Pictures {
  return {
    data: Uint8Array.from(pictures.flatMap((bytes) => [...Array.from(bytes)])),
    shape: [pictures.length, side, side, 3],
  };
}

test("real weights on photographs: the features and logits are PyTorch's, and it sees the cat and the coffee", async () => {
  const photos = ["cat", "coffee"].map(
    (name) => decode(readFileSync(new URL(`efficientnet-${name}.png`, golden))).data,
  );
  const { features, logits = new Float32Array() } = await network.features(together(photos, 64));
  expect(relativeError(features, tensors.get("photos.features")?.data as Float32Array)).toBeLessThan(1e-4);
  expect(relativeError(logits, tensors.get("photos.logits")?.data as Float32Array)).toBeLessThan(1e-4);
  const best = (scores: Float32Array) => scores.indexOf(Math.max(...scores));
  expect(best(logits.subarray(0, 1000)), "an Egyptian cat").toBe(285);
  expect(best(logits.subarray(1000)), "espresso").toBe(967);
});

test("the Fréchet distance of emoji to themselves rises with the blur", async () => {
  const side = 18;
  const big = [...loadStamps().values()].filter(({ length }) => length === side * side * 3).slice(0, 40);
  const real = together(
    big.map((light) => light.map((x) => Math.round(255 * x))),
    side,
  );
  const statistics = async (pictures: Pictures) => {
    const { features } = await network.features(pictures);
    // As many dimensions as forty pictures allow.
    const some = Array.from({ length: 40 }, (_, i) => features.subarray(1280 * i, 1280 * i + 32));
    return featureStatistics(
      some.flatMap((row) => [...row]),
      32,
    );
  };
  const blurred = (to: number) => resizePictures(resizePictures(real, [to, to], "bilinear"), [side, side], "bicubic");
  const sharp = await statistics(real);
  const distances = [0];
  for (const to of [12, 8, 4]) distances.push(frechetDistance(sharp, await statistics(blurred(to))));
  const rises = distances.slice(1).map((distance, i) => distance / (distances[i] as number));
  expect(
    rises.filter((ratio) => !(ratio > 1.5)),
    `distances ${distances}`,
  ).toEqual([]);
});
