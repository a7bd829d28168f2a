/** The audit: tight on the golden law, and it leaves everything as it was. */
import { expect, test } from "vitest";
import { gaussianModel } from "../../../src/models";
import { type AuditPoint, auditDivergence } from "../../../src/train";
import { data, start } from "../../property/golden-law";
import { affineGenerator } from "../../property/laws";
import { gaussianScore } from "../../support/gaussian-networks";
import { numbers } from "../../support/matchers";
import { logSnrSchedule } from "./laws";

const schedule = logSnrSchedule();
const sampling = { samples: 8192, batch: 512, levels: [-9, 9] } as const;

test.each([
  ["a fake score that starts as the teacher", data],
  ["one far from both", { mean: [1, 1, 1], variance: 4 }],
])("from %s the bound of the golden law rises to its divergence", async (_, law) => {
  const fakeScore = gaussianScore("audit/psi", schedule, law);
  const generator = affineGenerator(start.mean, Math.sqrt(start.variance), "audit/G");
  const before = fakeScore.variables.map((v) => numbers(v));
  const seen: AuditPoint[] = [];
  const options = { teacher: gaussianModel({ ...data, schedule }), generator, sampleShape: [3], ...sampling };
  const { divergence, curve, settled } = await auditDivergence({
    ...{ ...options, fakeScore, learningRate: 0.03, every: 20 },
    onPoint: (point) => void seen.push(point),
  });
  const { lowerBound } = divergence;
  expect(settled).toBe(true);
  expect(seen).toEqual(curve);
  // What the exact fake score gives on the same samples has 1.4706 as its mean, and the error of the samples.
  const own = gaussianScore("audit/exact", schedule, start);
  const exact = await auditDivergence({ ...options, fakeScore: own, iterations: 0 });
  const best = exact.divergence.lowerBound;
  expect(Math.abs(lowerBound.value / best.value - 1)).toBeLessThan(0.005);
  expect(Math.abs(best.value - 1.47058)).toBeLessThan(2 * best.standardError);
  expect(exact.curve.length).toBe(1);
  expect(exact.settled).toBe(false);
  expect(curve[0]?.lowerBound.value ?? Number.NaN).toBeLessThan(0.7 * lowerBound.value);
  expect(fakeScore.variables.map((v) => numbers(v))).toEqual(before);
  for (const network of [fakeScore, generator, own]) network.dispose();
});

test.each([
  ["recovers and settles", 0.5, true],
  ["does not settle where it does not come back", 2, false],
])("a rate that is too large %s; the greatest bound is returned", async (_, learningRate, comesBack) => {
  const fakeScore = gaussianScore("audit/psi", schedule, start);
  const generator = affineGenerator(start.mean, Math.sqrt(start.variance), "audit/G");
  const { divergence, curve, settled } = await auditDivergence({
    ...{ teacher: gaussianModel({ ...data, schedule }), generator, fakeScore, sampleShape: [3] },
    ...{ learningRate, every: 5, samples: 1024, batch: 256, levels: [-9, 9] },
  });
  const values = curve.map(({ lowerBound }) => lowerBound.value);
  for (const network of [fakeScore, generator]) network.dispose();
  expect(Math.min(...values)).toBeLessThan((values[0] ?? 0) - 0.1);
  expect(divergence.lowerBound.value).toBe(Math.max(...values));
  expect(settled).toBe(comesBack);
  expect((values.at(-1) ?? 0) > 0.99 * Math.max(...values)).toBe(comesBack);
});

test("a signal ends it with what it has, options that make no sense are refused, and nothing is left behind", async () => {
  const fakeScore = gaussianScore("audit/psi", schedule, data);
  const generator = affineGenerator(start.mean, 1, "audit/G");
  const options = {
    teacher: gaussianModel({ ...data, schedule }),
    fakeScore,
    generator,
    sampleShape: [3],
    samples: 64,
  };
  const { curve, settled } = await auditDivergence({ ...options, signal: AbortSignal.abort() });
  expect([curve.length, settled]).toEqual([1, false]);
  for (const [changes, message] of [
    [{ levels: [2, 1] }, /levels must be two numbers/],
    [{ levels: [-40, 1] }, /within the schedule's -12\.00 to 15\.00/],
    [{ guidanceScale: 2 }, /needs the option conditions/],
    [{ fakeScore: gaussianModel({ ...data, schedule }) }, /variables/],
    [{ samples: 7 }, /samples/],
    [{ sampleShape: [2] }, /shape/],
    [{ conditions: { sample: () => 1, unconditional: () => 1 } }, /the empty condition/],
    [{ sample: 3 }, /samples/],
  ] as const)
    await expect(auditDivergence({ ...options, ...changes } as never), JSON.stringify(changes)).rejects.toThrow(
      message,
    );
  fakeScore.dispose();
  generator.dispose();
});
