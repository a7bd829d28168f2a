/** What ranks exchange, and how sources give shares; whole runs are in ranks.node.test.ts. */
import { fc, test } from "@fast-check/vitest";
import {
  clone,
  dispose,
  memory,
  slice,
  type Tensor,
  tensor,
  tensor1d,
  tidy,
  type Variable,
  variable,
} from "@tensorflow/tfjs-core";
import { describe, expect } from "vitest";
import { type RandomStream, randomStream } from "../../src/core";
import type { Reducer } from "../../src/distributed";
import { fDivergenceWeights } from "../../src/losses";
import { imageSource, promptConditions } from "../../src/train";
import { adamOn, type RunAdam } from "../../src/train/adam";
import { checksum } from "../../src/train/checksum";
import { shareFigures } from "../../src/train/ranks/figures";
import { shardOf } from "../../src/train/ranks/shards";
import { meanOverRanks, summed } from "../../src/train/ranks/sums";
import { expectSidError } from "../support/errors";
import { expectClose, numbers } from "../support/matchers";

/** A world whose other ranks always have the same as this one. */
function echo(size: number, changes: Partial<Reducer> = {}): Reducer & { readonly calls: number[] } {
  const calls: number[] = [];
  const allReduceSync = (data: Float32Array) => {
    calls.push(data.length);
    data.forEach((x, i) => {
      data[i] = x * size;
    });
  };
  return {
    ...{ name: "echo", rank: 0, size, calls, allReduceSync },
    allReduce: async (data) => allReduceSync(data),
    allGather: async (data) => new Uint8Array(Array.from({ length: size }, () => [...data]).flat()),
    broadcast: async () => {},
    barrier: async () => {},
    abort: () => {},
    close: async () => {},
    ...changes,
  };
}

const shapes = fc.array(fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 }), { minLength: 1, maxLength: 6 });

describe("meanOverRanks", () => {
  test.prop({ shapes, size: fc.constantFrom(2, 4), limit: fc.integer({ min: 1, max: 60 }) })(
    "gives every tensor back in its shape, in pieces of the limit, and takes the old ones over",
    async ({ shapes, size, limit }) => {
      const stream = randomStream(1);
      const tensors = shapes.map((shape) => stream.normal(shape));
      const before = tensors.map((x) => numbers(x));
      const reducer = echo(size);
      const live = memory().numTensors;
      const means = await meanOverRanks(reducer, tensors, limit);
      expect(memory().numTensors).toBe(live);
      expect(tensors.every((x) => x.isDisposed)).toBe(true);
      expect(means.map((x) => x.shape)).toEqual(shapes);
      expect(means.map((x) => numbers(x))).toEqual(before);
      expect(reducer.calls.reduce((a, b) => a + b)).toBe(before.flat().length);
      const longest = Math.max(...before.map((x) => x.length));
      for (const length of reducer.calls) expect(length).toBeLessThanOrEqual(Math.max(limit, longest));
      dispose(means);
    },
  );

  test("tensors that share their numbers are summed once each, and what else holds them stays", async () => {
    const held = tensor1d([1, 2, 3]);
    const means = await meanOverRanks(
      echo(2, { allReduce: async (data) => void data.fill(7) }),
      [clone(held), clone(held)],
      1,
    );
    expect(means.map((x) => numbers(x))).toEqual([
      [7, 7, 7],
      [7, 7, 7],
    ]);
    expect(numbers(held)).toEqual([1, 2, 3]);
    dispose([held, ...means]);
  });

  test("a lost rank leaves nothing", async () => {
    const tensors = [1, 2, 3].map((seed) => randomStream(seed).normal([5]));
    let calls = 0;
    const allReduce = async () => {
      if (++calls === 2) throw new Error("lost");
    };
    await expect(meanOverRanks(echo(2, { allReduce }), tensors, 5)).rejects.toThrow("lost");
    expect(memory().numTensors).toBe(0);
  });
});

/** Ranks of one program, whose gathers wait for one another; what they give may lie anywhere in a buffer. */
function together(size: number, offset = 0): Reducer[] {
  let parts: Uint8Array[] = [];
  let waiting: (() => void)[] = [];
  return Array.from({ length: size }, (_, rank) =>
    echo(size, {
      rank,
      async allGather(data) {
        const all = parts;
        all[rank] = data;
        await new Promise<void>((resolve) => {
          waiting.push(resolve);
          if (waiting.length < size) return;
          for (const go of waiting) go();
          [parts, waiting] = [[], []];
        });
        const gathered = new Uint8Array(offset + size * data.length).subarray(offset);
        all.forEach((part, i) => void gathered.set(part, i * data.length));
        return gathered;
      },
    }),
  );
}

describe("an optimiser in parts", () => {
  const common = { learningRate: 0.1, weightDecay: 0.1, clipValue: 1 };
  const variablesOf = (name: string, shapes: readonly number[][]): Variable[] =>
    shapes.map((shape, i) => tidy(() => variable(randomStream(i).normal(shape), true, `in-parts/${name}/${i}`)));
  const bits = (x: Tensor | Float32Array): string => {
    const { buffer, byteOffset, byteLength } = x instanceof Float32Array ? x : (x.dataSync() as Float32Array);
    return checksum(new Uint8Array(buffer, byteOffset, byteLength));
  };

  interface World {
    readonly shapes: readonly number[][];
    readonly size: number;
    readonly offset: number;
    readonly limit: number;
    readonly beta1: number;
    readonly clipNorm: number | undefined;
  }

  /** Steps a whole optimiser and the ranks' parts of one, from equal weights. */
  async function stepped({ shapes, size, offset, limit, beta1, clipNorm }: World) {
    const before = memory().numTensors;
    const whole = variablesOf("whole", shapes);
    const ofRanks = Array.from({ length: size }, (_, rank) => variablesOf(`${size}/${rank}`, shapes));
    const options = { ...common, beta1, clipNorm };
    const one = adamOn(undefined, whole, options, limit);
    const world = together(size, offset);
    const parts = ofRanks.map((variables, rank) => adamOn(world[rank], variables, options, limit));
    const seen: number[] = [];
    for (const seed of [10, 20]) {
      const gradients = shapes.map((shape, i) => randomStream(seed + i).normal(shape));
      one.step(gradients);
      for (const part of parts) {
        let elements = 0;
        part.step(gradients, (flat) => {
          elements += flat.size;
          return flat;
        });
        seen.push(elements);
      }
      await Promise.all(parts.map((part) => part.shards?.exchange()));
      dispose(gradients);
    }
    const moments = one.state().moments.map(bits);
    const gathered = (await Promise.all(parts.map((part) => part.shards?.gather()))).map((all) => all?.map(bits));
    const result = { whole: whole.map(bits), moments, gathered, seen };
    const weights = ofRanks.map((variables) => variables.map(bits));
    for (const optimizer of [one, ...parts]) optimizer.dispose();
    dispose([...whole, ...ofRanks.flat()]);
    expect(memory().numTensors).toBe(before);
    return { ...result, weights };
  }

  test.prop(
    {
      shapes,
      size: fc.integer({ min: 2, max: 5 }),
      offset: fc.constantFrom(0, 1, 4),
      limit: fc.integer({ min: 1, max: 200 }),
      beta1: fc.constantFrom(0, 0.5),
      clipNorm: fc.constantFrom(undefined, 1.5),
    },
    { numRuns: 30 },
  )("has the bits of one that is whole, also where a rank has none", async (world) => {
    const { whole, moments, gathered, weights, seen } = await stepped(world);
    for (const each of weights) expect(each).toEqual(whole);
    expect(gathered).toEqual([moments, ...Array(world.size - 1).fill([])]);
    // Every rank prepares every element's gradient, for its figures.
    const elements = world.shapes.map((shape) => shape.reduce((a, b) => a * b, 1)).reduce((a, b) => a + b);
    expect(new Set(seen)).toEqual(new Set([elements]));
  });

  test("nothing is assigned before the exchange, and a lost rank leaves nothing", async () => {
    const [variable] = variablesOf("lost", [[40]]) as [Variable];
    const before = numbers(variable);
    const allGather = async () => {
      throw new Error("lost");
    };
    const optimizer: RunAdam = adamOn(echo(2, { allGather }), [variable], common);
    const gradient = randomStream(3).normal([40]);
    optimizer.step([gradient]);
    await expect(optimizer.shards?.exchange()).rejects.toThrow("lost");
    expect(numbers(variable)).toEqual(before);
    optimizer.dispose();
    dispose([gradient, variable]);
  });

  test.prop({ size: fc.integer({ min: 1, max: 5000 }), ranks: fc.integer({ min: 1, max: 9 }) })(
    "parts follow one another, are about equal, and begin at multiples of 16",
    ({ size, ranks }) => {
      const parts = Array.from({ length: ranks }, (_, rank) => shardOf(size, { rank, size: ranks }));
      expect(parts[0]?.from).toBe(0);
      expect(parts.at(-1)?.to).toBe(size);
      for (const [i, { from, to }] of parts.entries()) {
        expect(from).toBe(i === 0 ? 0 : parts[i - 1]?.to);
        if (from < size) expect(from % 16).toBe(0);
        expect(to - from).toBeLessThan(size / ranks + 16);
      }
    },
  );
});

test("the figures of all ranks: means, sums, and the samples of the gauge by round and rank", async () => {
  const own = Float32Array.of(4, 6, 1, 5, 2, /* gauge */ 1, -1, 0.5, 0.25, 1, -2, 0.75, 0.5);
  const reducer: Reducer = echo(2, {
    rank: 1,
    // Rank 0 has twice the loss, no dropped sample, and tells the gauge nothing yet.
    allReduce: async (data) => {
      data[1] = (data[1] as number) + 4;
    },
  });
  const { numbers, stop } = await shareFigures(reducer, [own], { rounds: 2, stop: false });
  const none = [0, 0, 0, 0];
  expect([...(numbers[0] as Float32Array)]).toEqual([
    6,
    3,
    1,
    5,
    2,
    ...none,
    1,
    -1,
    0.5,
    0.25,
    ...none,
    1,
    -2,
    0.75,
    0.5,
  ]);
  expect(stop).toBe(false);
  expect((await shareFigures(echo(2), [], { rounds: 2, stop: true })).stop).toBe(true);
});

describe("a share of a source", () => {
  const conditioner = {
    encode: (texts: readonly string[]) => tensor(texts.map((text) => [[text.length]])) as never,
  };
  const captions = ["a", "bb", "ccc", "dddd", "eeeee"];
  const drawn = (stream: RandomStream, count: number) =>
    stream.integers(count, 0, captions.length).map((i) => captions[i] as string);

  test.prop({ count: fc.integer({ min: 1, max: 9 }), a: fc.nat(9), b: fc.nat(9), list: fc.boolean() })(
    "is its rows of the whole, and draws as much",
    ({ count, a, b, list }) => {
      const [from, to] = [Math.min(a, b, count), Math.min(Math.max(a, b) + 1, count)] as [number, number];
      fc.pre(from < to);
      const images = randomStream(1).normal([4, 2]);
      const labels = tensor1d([0, 1, 2, 3]);
      const prompts = promptConditions({ prompts: list ? captions : drawn, conditioner });
      const pictures = imageSource({ images, conditions: labels });
      const streams = [1, 2].map(() => randomStream(7)) as [RandomStream, RandomStream];
      const whole = [prompts.sample(streams[0], count), ...Object.values(pictures.sample(streams[0], count))];
      const share = [
        prompts.sampleRows?.(streams[1], count, { from, to }),
        ...Object.values(pictures.sampleRows?.(streams[1], count, { from, to }) ?? {}),
      ] as Tensor[];
      expect(streams[0].state()).toEqual(streams[1].state());
      whole.forEach((x, i) => {
        const rows = slice(x as Tensor, from, to - from);
        expect(share[i]?.shape).toEqual(rows.shape);
        expect(numbers(share[i] as Tensor)).toEqual(numbers(rows));
        rows.dispose();
      });
      dispose([images, labels, ...(whole as Tensor[]), ...share]);
    },
  );

  test("rows that it does not have are refused", () => {
    const prompts = promptConditions({ prompts: captions, conditioner });
    expectSidError("out-of-range", () => prompts.sampleRows?.(randomStream(1), 3, { from: 0, to: 4 }), /rows\.to/);
  });
});

test.prop({
  logits: fc.array(fc.double({ min: -3, max: 3, noNaN: true }), { minLength: 1, maxLength: 8 }),
  size: fc.constantFrom(2, 3),
})("weights of an f-divergence on ranks that hold the same are those of one", ({ logits, size }) => {
  const logit = tensor1d(logits);
  const bins = logits.map((_, i) => i % 3);
  const inputs = { logit, bins, numBins: 5 };
  const one = fDivergenceWeights(inputs, { normalize: true });
  const sumOverRanks = summed({ distributed: echo(size) });
  const ranks = fDivergenceWeights({ ...inputs, sumOverRanks }, { normalize: true });
  expectClose(ranks, one);
  expectSidError(
    "invalid-argument",
    () => fDivergenceWeights({ logit, bins, sumOverRanks }),
    /fDivergenceWeights: numBins must be a number/,
  );
  dispose([logit, one, ranks]);
});
