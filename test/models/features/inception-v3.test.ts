import { readFileSync } from "node:fs";
import { dispose, slice, tensor4d } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { decodeSafetensors } from "../../../src/io";
import { inceptionV3 } from "../../../src/models/features";
import { expectSidError } from "../../support/errors";
import { hashedPictures, hashedWeights } from "../../support/hashed";
import { relativeError } from "../../support/matchers";

const folder = new URL("../../golden/", import.meta.url);
const parameters = JSON.parse(readFileSync(new URL("inception-parameters.json", folder), "utf8")) as string[];
const { tensors } = decodeSafetensors(readFileSync(new URL("inception.safetensors", folder)));
const weights = hashedWeights(parameters);
const golden = (name: string) => tensors.get(name)?.data as Float32Array;

test("features and logits are those of pytorch-fid's module; other inputs are refused", () => {
  const network = inceptionV3({ weights });
  const { data, shape } = hashedPictures([2, 107, 139, 3], 1001);
  const x = tensor4d(
    Float32Array.from(data, (byte) => byte / 127.5 - 1),
    [...shape],
  );
  const { features, logits } = network.forward(x);
  expect(features.shape).toEqual([2, network.dimension]);
  expect(logits?.shape).toEqual([2, 1008]);
  expect(relativeError(features, golden("107x139.features"))).toBeLessThan(1e-4);
  expect(relativeError(logits ?? [], golden("107x139.logits"))).toBeLessThan(1e-4);
  // What both pictures share is most of it: the difference between them too.
  const between = (all: ArrayLike<number>) =>
    Array.from({ length: 2048 }, (_, i) => (all[i] as number) - (all[i + 2048] as number));
  expect(relativeError(between(features.dataSync()), between(golden("107x139.features")))).toBeLessThan(1e-4);
  dispose([features, logits ?? features]);

  const [small, flat] = [slice(x, [0, 0, 0, 0], [1, 74, 75, 3]), slice(x, [0, 0, 0, 0], [1, 75, 75, 1])];
  expectSidError("shape-mismatch", () => network.forward(small), /at least 75 pixels each way, got \[1, 74, 75, 3\]/);
  expectSidError("shape-mismatch", () => network.forward(flat), /\[B, height, width, 3\]/);
  network.dispose();
  expectSidError("invalid-argument", () => network.forward(x), /disposed/);
  dispose([x, small, flat]);
});

test("weights that are not this network's are refused", () => {
  const fc = weights.get("fc.weight");
  const make = (changed: ReadonlyMap<string, unknown>) => () => inceptionV3({ weights: changed as never });
  const without = (name: string) => new Map([...weights].filter(([key]) => key !== name));
  expectSidError(
    "missing-weight",
    make(without("Mixed_6c.branch_pool.bn.running_var")),
    /Mixed_6c\.branch_pool\.bn\.running_var/,
  );
  expectSidError("surplus-weight", make(new Map([...weights, ["AuxLogits.fc.weight", fc]])), /AuxLogits\.fc\.weight/);
  const torchvision = { dtype: "F32" as const, shape: [1000, 2048], data: new Float32Array(1000 * 2048) };
  expectSidError(
    "shape-mismatch",
    make(new Map([...weights, ["fc.weight", torchvision]])),
    /"fc\.weight" must have shape \[1008, 2048\], got \[1000, 2048\]/,
  );
  expectSidError("invalid-argument", () => inceptionV3({ weights, protocol: "tf" as never }), /"clean-fid"/);
  expectSidError("out-of-range", () => inceptionV3({ weights, batch: 0 }), /batch/);
});
