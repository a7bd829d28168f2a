import type { HostTensor, WeightMap, WeightSource } from "sid-lsg";
import { randomStream } from "sid-lsg";
import { decodeSafetensors, encodeSafetensors } from "sid-lsg/io";
import { describe, expect, it } from "vitest";
import { fromEightBits, toEightBits, widened } from "../../../examples/browser/eight-bit";

function tensor(shape: readonly number[], data: ArrayLike<number>): HostTensor {
  return { dtype: "F32", shape, data: Float32Array.from(data) };
}

function sourceOf(weights: WeightMap): WeightSource {
  const read = async (name: string) => weights.get(name) as HostTensor;
  return { entries: weights, read, close: async () => {} };
}

describe("weights in eight bits", () => {
  it("are bytes around 128 and a scale for each row", () => {
    const weights = new Map([["w", tensor([2, 2], [127, -63, 0, 0.5])]]);
    const packed = toEightBits(weights);
    expect(packed.get("w")).toEqual({ dtype: "U8", shape: [2, 2], data: Uint8Array.from([255, 65, 128, 255]) });
    expect(packed.get("w.scale")).toEqual(tensor([2], [1, 0.5 / 127]));
  });

  it("move no weight by more than half its row's scale, also after a trip through a file", async () => {
    const shape = [5, 3, 2, 2];
    const data = randomStream(3)
      .normals(60)
      .map((x, i) => x * 10 ** Math.floor(i / 12));
    const file = encodeSafetensors(toEightBits(new Map([["conv.weight", tensor(shape, data)]])));
    const back = await widened(decodeSafetensors(file).tensors);
    expect([...back.keys()]).toEqual(["conv.weight"]);
    const got = back.get("conv.weight") as HostTensor;
    expect([got.dtype, got.shape]).toEqual(["F32", shape]);
    for (let row = 0; row < 5; row++) {
      const largest = Math.max(...data.slice(12 * row, 12 * row + 12).map(Math.abs));
      for (let i = 12 * row; i < 12 * row + 12; i++)
        expect(Math.abs(Number(got.data[i]) - (data[i] as number))).toBeLessThanOrEqual((1.0001 * largest) / 254);
    }
  });

  it("keep zeros and the largest of a row as they are, and a row of zeros", async () => {
    const weights = new Map([["w", tensor([2, 3], [0, -2, 1, 0, 0, 0])]]);
    const { data } = (await widened(toEightBits(weights))).get("w") as HostTensor;
    expect([data[0], data[3], data[4], data[5]]).toEqual([0, 0, 0, 0]);
    expect(data[1]).toBeCloseTo(-2, 6);
  });

  it("take a byte for a weight of a matrix; vectors stay exact", async () => {
    const bias = tensor([3], [0.1, 1e-9, -7]);
    const weights = new Map([
      ["bias", bias],
      ["w", tensor([4, 100], randomStream(0).normals(400))],
    ]);
    const packed = toEightBits(weights);
    expect([...packed.values()].reduce((sum, { data }) => sum + data.byteLength, 0)).toBe(400 + 4 * 4 + 3 * 4);
    expect((await widened(packed)).get("bias")).toBe(bias);
  });

  it("keep the first and the last convolution of a U-Net in half precision", async () => {
    const names = ["conv_in.weight", "conv_out.weight", "up_blocks.0.conv_out.weight"];
    const packed = toEightBits(new Map(names.map((name) => [name, tensor([1, 2], [1, 0.25])])));
    expect(names.map((name) => packed.get(name)?.dtype)).toEqual(["F16", "F16", "U8"]);
    expect(packed.size).toBe(4);
    const back = await widened(decodeSafetensors(encodeSafetensors(packed)).tensors);
    expect(back.get("conv_out.weight")?.data).toEqual(Float32Array.from([1, 0.25]));
  });

  it("leave other weights alone: float32 and float16, names that end in .scale, bytes without a scale", async () => {
    const weights = new Map<string, HostTensor>([
      ["norm", tensor([2, 2], [1, 2, 3, 4])],
      ["norm.scale", tensor([2], [5, 6])],
      ["half", { ...tensor([1, 2], [1, 2]), dtype: "F16" }],
      ["bytes", { dtype: "U8", shape: [2], data: Uint8Array.from([1, 2]) }],
    ]);
    const source = fromEightBits(sourceOf(weights));
    expect([...source.entries]).toEqual([...weights]);
    for (const [name, same] of weights) expect(await source.read(name)).toBe(same);
  });

  it("say before they are read that they will be float32 of the same shape", () => {
    const source = fromEightBits(sourceOf(toEightBits(new Map([["w", tensor([2, 1], [1, 2])]]))));
    expect([...source.entries.keys()]).toEqual(["w"]);
    expect(source.entries.get("w")).toMatchObject({ dtype: "F32", shape: [2, 1] });
  });
});
