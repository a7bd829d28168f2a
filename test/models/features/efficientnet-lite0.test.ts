import { readFileSync } from "node:fs";
import { dispose, tensor4d } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { randomStream } from "../../../src/core";
import { blobSource, decodeSafetensors, encodeSafetensors } from "../../../src/io";
import { efficientNetLite0, loadFeatureNetwork } from "../../../src/models/features";
import { expectSidError } from "../../support/errors";
import { hashedPictures, hashedWeights } from "../../support/hashed";
import { relativeError } from "../../support/matchers";

const folder = new URL("../../golden/", import.meta.url);
const parameters = JSON.parse(readFileSync(new URL("efficientnet-parameters.json", folder), "utf8")) as string[];
const weights = hashedWeights(parameters);
const { tensors } = decodeSafetensors(readFileSync(new URL("efficientnet.safetensors", folder)));
const golden = (name: string) => tensors.get(name)?.data as Float32Array;
const file = (map = weights) => blobSource(new Blob([new Uint8Array(encodeSafetensors(map))]), "lite0");

test("features and logits are those of efficientnet-lite-pytorch's module, from a file too", async () => {
  const network = await loadFeatureNetwork(file());
  const { data, shape } = hashedPictures([2, 64, 96, 3], 2001);
  const x = tensor4d(
    Float32Array.from(data, (byte) => (byte - 127) / 128),
    [...shape],
  );
  const { features, logits } = network.forward(x);
  expect([network.name, features.shape, logits?.shape]).toEqual(["efficientnet-lite0", [2, 1280], [2, 1000]]);
  expect(relativeError(features, golden("64x96.features"))).toBeLessThan(1e-4);
  expect(relativeError(logits ?? [], golden("64x96.logits"))).toBeLessThan(1e-4);
  dispose([x, features, logits ?? features]);
  network.dispose();
});

test("what cannot be is refused, and leaves no variable", async () => {
  const refusal = async (run: () => Promise<unknown>) => {
    const error = await run().then(
      () => undefined,
      (error: unknown) => error,
    );
    return (code: Parameters<typeof expectSidError>[0], message: RegExp) =>
      expectSidError(code, () => (error === undefined ? undefined : raise(error)), message);
  };
  const other = new Map([["w", { dtype: "F32", shape: [1], data: new Float32Array(1) } as const]]);
  (await refusal(() => loadFeatureNetwork(file(other))))("unsupported", /lite0": its weights are neither .*Inception/);
  for (const pth of ["zip", "legacy", "legacy-protocol-4"])
    (await refusal(() => loadFeatureNetwork(`test/golden/pickles/${pth}.pth`)))(
      "unsupported",
      /its weights are neither/,
    );
  (await refusal(() => loadFeatureNetwork("test/golden/pickles/code-system.pth")))("unsupported", /posix\.system/);
  (await refusal(() => loadFeatureNetwork(file(), { protocol: "clean-fid" })))("invalid-argument", /no protocols/);
  (await refusal(() => loadFeatureNetwork(file(), { batch: 0 })))("out-of-range", /batch/);
  (await refusal(() => loadFeatureNetwork("missing.safetensors")))("io", /missing\.safetensors/);
  expectSidError(
    "missing-weight",
    () => efficientNetLite0({ weights: other }),
    /"_conv_stem\.weight" is missing \(247 of 247 are\)/,
  );
  const network = efficientNetLite0({ weights: randomStream(1) });
  const grey = { data: new Uint8Array(4), shape: [1, 2, 2, 1] } as const;
  (await refusal(() => network.features(grey)))("shape-mismatch", /efficientnet-lite0\.features: pictures must have 3/);
  expectSidError(
    "invalid-argument",
    () => efficientNetLite0({ weights: randomStream(1) }),
    /exists already .*: use that one/,
  );
  network.dispose();
  const white = { data: new Uint8Array(12), shape: [1, 2, 2, 3] } as const;
  (await refusal(() => network.features(white)))("invalid-argument", /disposed/);
});

function raise(error: unknown): never {
  throw error;
}
