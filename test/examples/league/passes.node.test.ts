import { beforeAll, expect, test } from "vitest";
import { affordable } from "../../../examples/league/plane-cost";
import { type PlaneMethod, type PlaneMethodName, planeMethods } from "../../../examples/plane/methods";
import { makeWorld } from "../../../examples/plane/world";
import { useBackend } from "../../../src/backends";
import { randomStream } from "../../../src/core";

beforeAll(() => useBackend("cpu"));

/**
 * What the table of docs/methods.md says, F + B in all, with as many updates of ψ as the plane's method has (3 each: θ F, ψ FB),
 * and one pass more wherever a network is asked with and without the class.
 */
const table: Partial<Record<PlaneMethodName, number>> = {
  sds: 2 + 1,
  csd: 2 + 1 + 1, // φ twice
  vsd: 5 + 2 + 3,
  "swift-brush": 5 + 2 + 3 + 2, // φ and, in θ's update, ψ twice
  "diff-instruct": 5 + 2,
  dmd: 5 + 2 + 2 * 3,
  "decoupled-dmd": 6 + 2 + 2 * 3 + 1, // φ twice at one of its times
  sid: 5 + 4,
  sim: 5 + 4,
  "sid-lsg": 5 + 4 + 3 * 2, // φ FB, ψ FB and ψ FB twice
  lcm: 3 + 1,
};

test.each(Object.entries(table))("an iteration of %s takes the %i passes of the table", async (name, wanted) => {
  const entry: PlaneMethod = planeMethods[name as PlaneMethodName];
  const world = makeWorld("ddpm");
  const student = world.network("student", randomStream(1));
  try {
    const place = { world, student, seed: 0, batch: 8 };
    // 100 iterations' worth, and not one sample short of the next.
    expect(await affordable(entry, place, 100 * wanted)).toBe(100);
    expect(await affordable(entry, place, 101 * wanted - 0.5)).toBe(100);
  } finally {
    student.dispose();
  }
});
