import { add, memory, tidy } from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Cloud, distillInPlane, drawTruth, measure } from "../../../examples/plane/distillation";
import { type PlaneMethod, type PlaneMethodName, planeMethods } from "../../../examples/plane/methods";
import { type Panel, plotPanels } from "../../../examples/plane/plot";
import { makeWorld, type Process, pretrain, type World } from "../../../examples/plane/world";
import { useBackend } from "../../../src/backends";
import { randomStream } from "../../../src/core";
import type { ScoreModel } from "../../../src/models";

const seed = 1;
const starts = new Map<Process, { readonly world: World; readonly student: ScoreModel; readonly truth: Cloud }>();
let tensors: number;

beforeAll(async () => {
  await useBackend("wasm");
  tensors = memory().numTensors;
  for (const process of ["ddpm", "flow"] as const) {
    const world = makeWorld(process);
    const student = world.network(`student-${process}`, randomStream(seed));
    pretrain(student, world, randomStream(seed), 400);
    shift(student, -0.8);
    starts.set(process, { world, student, truth: await drawTruth(world, 900, seed) });
  }
});

/** Moves all that a network draws, so that a few iterations have something to mend: its last weights are a bias of −x0. */
function shift(network: ScoreModel, by: number): void {
  const bias = network.variables.at(-1);
  tidy(() => bias?.assign(add(bias, by)));
}

afterAll(() => {
  for (const { student } of starts.values()) student.dispose();
  expect(memory().numTensors, "leaked tensors").toBe(tensors);
});

const startOf = ({ process = "ddpm" }: PlaneMethod) => {
  const start = starts.get(process);
  if (start === undefined) throw new Error(`no start for ${process}`);
  return start;
};

describe("every method trains in the plane", () => {
  test.each(Object.keys(planeMethods) as PlaneMethodName[])("%s", async (name) => {
    const entry: PlaneMethod = planeMethods[name];
    // Of LCM each time learns from the one before it, so that news travels slowly.
    const iterations = name === "lcm" ? 800 : 60;
    const { before, after, divergence, fakeScore } = await distillInPlane(entry, {
      ...startOf(entry),
      seed,
      batch: 128,
      iterations,
    });
    fakeScore?.dispose();
    expect(divergence !== undefined).toBe(!["sds", "csd", "tdm", "lcm"].includes(name));
    if (entry.approaches) expect(after.distance).toBeLessThan(0.8 * before.distance);
    else expect(Math.abs(after.distance - before.distance)).toBeGreaterThan(0.05);
    if (name === "sds") expect(after.spread).toBeLessThan(0.9 * before.spread);
  });
});

describe("what is measured", () => {
  test("a shifted cloud is as far as it was shifted, seen from all directions, and no wider", () => {
    const { truth } = startOf(planeMethods.sid);
    const shifted = truth.map((few) => few.map(([x, y]) => [x + 1, y] as const)) as unknown as Cloud;
    const { distance, spread } = measure(shifted, truth);
    expect(spread).toBeCloseTo(1, 6);
    // The root mean square of cos is 1/√2.
    expect(distance).toBeGreaterThan(0.65);
    expect(distance).toBeLessThan(0.76);
  });
});

test("panels stand in rows, with what XML would misread written out", () => {
  const panel: Panel = {
    title: "a < b & c",
    dots: [
      {
        points: [
          [0, 0],
          [9, 9],
        ],
        colour: "#000",
      },
    ],
  };
  const svg = plotPanels([panel, panel, panel], { extent: 1, columns: 2, size: 100, caption: ["below"] });
  expect(svg).toContain("a &lt; b &amp; c");
  expect(svg.match(/M500 500h0/g)).toHaveLength(3); // the point outside is left out
  expect(svg.match(/h0/g)).toHaveLength(3);
  expect(svg).toContain("translate(14,172)");
});
