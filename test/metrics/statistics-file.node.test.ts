import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { HostTensor } from "../../src/core";
import { encodeNpz, readNpz } from "../../src/io";
import {
  decodeStatistics,
  encodeStatistics,
  featureStatistics,
  frechetDistance,
  readStatistics,
  writeStatistics,
} from "../../src/metrics";

const folder = "test/golden/numpy";
const temporary = mkdtempSync(join(tmpdir(), "statistics-"));
afterAll(() => rmSync(temporary, { recursive: true }));

const f64 = (shape: readonly number[], ...data: number[]): HostTensor => ({
  dtype: "F64",
  shape,
  data: Float64Array.from(data),
});
const good: Readonly<Record<string, HostTensor>> = { mu: f64([2], 1, 2), sigma: f64([2, 2], 2, 0.5, 0.5, 1) };
const file = (arrays: Readonly<Record<string, HostTensor>>) => encodeNpz(new Map(Object.entries(arrays)));

describe("the files of others", () => {
  test("pytorch-fid's layout, compressed, by NumPy", async () => {
    const arrays = await readNpz(join(folder, "statistics.npz"));
    const statistics = await readStatistics(join(folder, "statistics.npz"));
    expect(statistics).toEqual({ count: 0, mean: arrays.get("mu")?.data, covariance: arrays.get("sigma")?.data });
    expect(statistics.mean).toHaveLength(3);
    expect(await decodeStatistics(new Uint8Array(readFileSync(join(folder, "statistics.npz"))))).toEqual(statistics);
    const short = await readStatistics(join(folder, "statistics-f4.npz"));
    expect(short.mean).toEqual(statistics.mean.map(Math.fround));
    expect(frechetDistance(statistics, short)).toBeLessThan(1e-12);
  });

  test("with pictures and other statistics beside them, as guided-diffusion's", async () => {
    const more = { arr_0: { dtype: "U8", shape: [3], data: new Uint8Array(3) } as const, mu_s: f64([1], 1) };
    expect((await decodeStatistics(file({ ...more, ...good }))).mean).toEqual(Float64Array.of(1, 2));
  });
});

describe("covariances that were rounded to float32", () => {
  const read = (mu: readonly number[], ...sigma: number[]) =>
    decodeStatistics(file({ mu: f64([mu.length], ...mu), sigma: f64([mu.length, mu.length], ...sigma) }));

  test("are averaged and clipped when read, so that distances to them exist", async () => {
    const law = featureStatistics([0, 1, 2, 2, 4, 5], 2);
    const skew = await read([0, 0], 1, 5e-6, 0, 1);
    expect(skew.covariance).toEqual(Float64Array.of(1, 2.5e-6, 2.5e-6, 1));
    const flat = await read([0, 0], 1, 4e-6, 4e-6, -5e-6);
    expect(flat.covariance).toEqual(Float64Array.of(1, 0, 0, 0));
    const beyond = await read([0, 0], 1, 3e-6, 3e-6, 1e-12);
    expect(beyond.covariance[1]).toBeCloseTo(1e-6, 15);
    for (const statistics of [skew, flat, beyond]) {
      expect(Number.isFinite(frechetDistance(statistics, law, { onWarning() {} }))).toBe(true);
      expect((await decodeStatistics(encodeStatistics(statistics))).covariance).toEqual(statistics.covariance);
    }
  });

  test("statistics in memory follow the same rule", () => {
    const mean = Float64Array.of(0, 0);
    const of = (...covariance: number[]) => ({ count: 0, mean, covariance: Float64Array.from(covariance) });
    expect(frechetDistance(of(1, 5e-6, 0, 1), of(1, 2.5e-6, 2.5e-6, 1))).toBeCloseTo(0, 12);
    expect(frechetDistance(of(1, 0, 0, -5e-6), of(1, 0, 0, 0))).toBeCloseTo(0, 4);
    expect(() => frechetDistance(of(1, 0, 0, -5e-5), of(1, 0, 0, 0))).toThrow(/negative variance, got -0.00005/);
  });

  test("what no rounding explains is refused", async () => {
    await expect(read([0, 0], 1, 2, 2, 1)).rejects.toThrow(/sigma has a direction of negative variance: \[1, 0\] is 2/);
    await expect(read([0, 0], 1, 2e-5, 0, 1)).rejects.toThrow(/sigma is not symmetric/);
    await expect(read([0, 0], 1, 0, 0, -2e-5)).rejects.toThrow(/sigma has a negative variance/);
  });
});

describe("what is written", () => {
  const statistics = featureStatistics([0, 1, 2, 2, 4, 5], 2, { network: "é-network" });

  test("is read back, with count and network", async () => {
    const path = join(temporary, "own.npz");
    await writeStatistics(path, statistics);
    expect(await readStatistics(path)).toEqual(statistics);
    expect(await decodeStatistics(encodeStatistics(statistics))).toEqual(statistics);
    expect(readdirSync(temporary)).toEqual(["own.npz"]);
  });

  test("is pytorch-fid's layout: mu [d] and sigma [d, d] in float64", async () => {
    const path = join(temporary, "layout.npz");
    const { network: _, ...plain } = statistics;
    await writeStatistics(path, { ...plain, count: 0 });
    const arrays = await readNpz(path);
    expect([...arrays.keys()]).toEqual(["mu", "sigma"]);
    expect(arrays.get("mu")).toEqual({ dtype: "F64", shape: [2], data: statistics.mean });
    expect(arrays.get("sigma")).toEqual({ dtype: "F64", shape: [2, 2], data: statistics.covariance });
    expect(await readStatistics(path)).toEqual({ ...plain, count: 0 });
  });

  test("statistics of two networks are not compared, also out of files", async () => {
    const other = await decodeStatistics(encodeStatistics({ ...statistics, network: "another" }));
    expect(() => frechetDistance(statistics, other)).toThrow(/another/);
  });

  test.each<[string, unknown, string]>([
    ["nothing", undefined, "invalid-argument"],
    ["no mean", { ...statistics, mean: [1, 2] }, "invalid-argument"],
    ["a covariance of another size", { ...statistics, covariance: new Float64Array(3) }, "shape-mismatch"],
    ["NaN", { ...statistics, mean: Float64Array.of(1, Number.NaN) }, "not-finite"],
    ["a count of −1", { ...statistics, count: -1 }, "out-of-range"],
    ["a network without a name", { ...statistics, network: "" }, "invalid-argument"],
  ])("%s is refused, and no file is made", async (_, wrong, code) => {
    await expect(writeStatistics(join(temporary, "wrong.npz"), wrong as never)).rejects.toMatchObject({ code });
    expect(() => encodeStatistics(wrong as never)).toThrow(expect.objectContaining({ code }));
    expect(readdirSync(temporary)).not.toContain("wrong.npz");
  });
});

describe("files that hold no statistics", () => {
  const features = { feats: f64([2, 1], 1, 2) };
  test.each<[string, Uint8Array, string, RegExp]>([
    [
      "features, as clean-fid's for KID",
      file(features),
      "corrupt-file",
      /lacks mu and sigma and holds "feats", which are/,
    ],
    ["sigma missing", file({ mu: f64([1], 1) }), "corrupt-file", /lacks sigma and holds "mu"/],
    ["nothing", file({}), "corrupt-file", /holds nothing/],
    ["mu of two dimensions", file({ ...good, mu: f64([1, 2], 1, 2) }), "corrupt-file", /got \[1, 2\] and \[2, 2\]/],
    ["sigma of another dimension", file({ ...good, sigma: f64([1, 1], 1) }), "corrupt-file", /got \[2\] and \[1, 1\]/],
    ["a scalar", file({ mu: f64([], 1), sigma: f64([], 1) }), "corrupt-file", /wanted mu \[d\]/],
    ["no dimension", file({ mu: f64([0]), sigma: f64([0, 0]) }), "corrupt-file", /wanted mu \[d\]/],
    ["NaN", file({ ...good, mu: f64([2], 1, Number.NaN) }), "not-finite", /mu must be finite, number 1 is NaN/],
    ["infinity", file({ ...good, sigma: f64([2, 2], 1, Infinity, 0, 1) }), "not-finite", /sigma must be finite/],
    ["asymmetry", file({ ...good, sigma: f64([2, 2], 2, 0.5, 0.4, 1) }), "corrupt-file", /symmetric; \[1, 0\] is 0.4/],
    ["a negative variance", file({ ...good, sigma: f64([2, 2], 2, 0, 0, -1) }), "corrupt-file", /variance, got -1/],
    [
      "integers",
      file({ ...good, mu: { dtype: "I32", shape: [2], data: new Int32Array(2) } }),
      "corrupt-file",
      /got I32/,
    ],
    ["a count of 0.5", file({ ...good, count: f64([], 0.5) }), "corrupt-file", /count must be one whole number/],
    ["two counts", file({ ...good, count: f64([2], 5, 5) }), "corrupt-file", /count must be one whole number/],
    ["a network of numbers", file({ ...good, network: f64([], 5) }), "corrupt-file", /network must be bytes/],
    [
      "a network that is no text",
      file({ ...good, network: { dtype: "U8", shape: [1], data: Uint8Array.of(255) } }),
      "corrupt-file",
      /UTF-8/,
    ],
    ["a file cut off", file(good).subarray(0, 300), "corrupt-file", /Fetch it again/],
    ["a picture", Uint8Array.from("\x89PNG\r\n\x1a\n", (c) => c.charCodeAt(0)), "corrupt-file", /a picture/],
  ])("%s", async (_, bytes, code, message) => {
    await expect(decodeStatistics(bytes)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  test("no bytes, no file", async () => {
    await expect(decodeStatistics("x" as never)).rejects.toMatchObject({ code: "invalid-argument" });
    await expect(readStatistics(join(temporary, "none.npz"))).rejects.toMatchObject({ code: "io" });
    await expect(readStatistics(join(folder, "one.npy"))).rejects.toThrow(/one array of NumPy/);
  });
});
