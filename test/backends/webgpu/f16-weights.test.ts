import { beforeAll, describe, expect, test } from "vitest";
import { useBackend } from "../../../src/backends";
import { isHalf } from "../../../src/backends/webgpu/half";
import { type HostTensor, randomStream } from "../../../src/core";
import { narrowF16, widenF16 } from "../../../src/io/half";
import { copyWeights, createParameters, loadWeights, type ParameterSpec, readWeights } from "../../../src/models";
import { adam } from "../../../src/train";
import { expectSidError } from "../../support/errors";

beforeAll(() => useBackend("webgpu"));

const specs: readonly ParameterSpec[] = [
  { name: "fc.weight", shape: [3, 2], layout: "linear", init: { uniform: 1 } },
  { name: "conv.weight", shape: [2, 3, 1, 1], layout: "conv", init: { uniform: 1 } },
  { name: "fc.bias", shape: [3], layout: "as-is", init: { uniform: 1 } },
];

function network(name: string, weights?: "f16", seed = 0) {
  const { list, dispose } = createParameters(name, specs, randomStream(seed), { weights });
  return { name, variables: list, dispose };
}
const rounded = (x: HostTensor | undefined) => Array.from(widenF16(narrowF16(x?.data as Float32Array)));

describe("weights stored as float16", () => {
  test("are the float32 ones rounded; biases are float32", async () => {
    const [plain, small] = [network("plain"), network("small", "f16")];
    const [wanted, got] = [await readWeights(plain), await readWeights(small)];
    for (const name of ["fc.weight", "conv.weight"])
      expect(Array.from(got.get(name)?.data as Float32Array)).toEqual(rounded(wanted.get(name)));
    expect(got.get("fc.bias")).toEqual(wanted.get("fc.bias"));
    expect(small.variables.map((v) => isHalf(v))).toEqual([true, true, false]);
    for (const { dispose } of [plain, small]) dispose();
  });

  test("stay so when others are loaded, and become float32 in a network of float32", async () => {
    const [small, other, trained] = [network("small", "f16"), network("other", undefined, 1), network("trained")];
    const weights = await readWeights(other);
    await loadWeights(small, weights);
    expect(small.variables.map((v) => isHalf(v))).toEqual([true, true, false]);
    copyWeights(small, trained);
    expect(trained.variables.map((v) => isHalf(v))).toEqual([false, false, false]);
    const got = await readWeights(trained);
    expect(Array.from(got.get("fc.weight")?.data as Float32Array)).toEqual(rounded(weights.get("fc.weight")));
    expectSidError("invalid-argument", () => copyWeights(other, small), /"small" stores float16/);
    for (const { dispose } of [small, other, trained]) dispose();
  });

  test("are not trained", () => {
    const small = network("small", "f16");
    expectSidError(
      "invalid-argument",
      () => adam(small.variables, { learningRate: 1 }),
      /^adam: "small\/fc.weight" stores float16/,
    );
    small.dispose();
  });

  test("beyond float16 are refused by name, and nothing is left", async () => {
    const small = network("small", "f16");
    const weights = new Map(await readWeights(small));
    // Not the first: those before it must stay as they are.
    const before = await readWeights(small);
    weights.set("fc.weight", { dtype: "F32", shape: [3, 2], data: new Float32Array(6) });
    weights.set("conv.weight", { dtype: "F32", shape: [2, 3, 1, 1], data: new Float32Array([1, 2, 3, 4, 5, -70000]) });
    await expect(loadWeights(small, weights)).rejects.toThrow(
      /^small: weight "conv.weight" holds -70000, and float16 ends at ±65504/,
    );
    expect(await readWeights(small)).toEqual(before);
    small.dispose();
    expectSidError(
      "out-of-range",
      () => createParameters("new", specs, weights, { weights: "f16" }),
      /^new: weight "conv.weight" holds -70000/,
    );
  });
});
