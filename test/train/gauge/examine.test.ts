/** What examineRun says of runs, by readings of any size; bench/gauge measures how often it is right. */
import { expect, test } from "vitest";
import { type Divergence, examineRun } from "../../../src/train";

const reading = (value: number, details = 0, standardError = 0.1): Divergence => {
  const [lowerBound, none] = [
    { value, standardError },
    { value: 0, standardError: 0 },
  ];
  const level = { naive: none, lag: none };
  const levels = [
    { ...level, from: -5, to: 1, lowerBound: { value: value - details, standardError } },
    { ...level, from: 1, to: 5, lowerBound: { value: details, standardError } },
  ];
  return { lowerBound, naive: lowerBound, lag: none, levels, samples: 100 };
};

test.each([
  ["it comes nearer and is told so", 10, 1.2, 1, []],
  ["it comes nearer than the old samples of the window tell", 10, 3, 1, []],
  ["it stays where it was", 10, 9, 9, ["no-nearer"]],
  ["it goes away", 10, 30, 31, ["no-nearer", "details"]],
  ["the fake score saw nothing", 10, 0, 2.5, ["lag"]],
  ["the fake score saw nothing, and nothing moved", 10, 0, 10, ["no-nearer", "lag"]],
  ["what is left is within the errors", 10, 0, 0.3, []],
])("%s", (_, before, running, after, kinds) => {
  const findings = examineRun({ before: reading(before), running: reading(running), after: reading(after) });
  expect(findings.map(({ kind }) => kind)).toEqual(kinds);
  for (const { message } of findings) expect(message).toMatch(/nats/);
});

test("details that only little noise shows", () => {
  const after = reading(2.9, 2.5);
  const findings = examineRun({ before: reading(10, 0.5), running: after, after });
  expect(findings.map(({ kind }) => kind)).toEqual(["details"]);
  expect(findings[0]?.message).toMatch(/above log SNR 1\.0 .* lacks 2\.50 .* after 0\.500/);
  expect(examineRun({ before: reading(10, 4), running: after, after })).toEqual([]);
});

test("a lag that is small beside what there was at the beginning is none", () => {
  const [before, running] = [reading(10, 0, 0.02), reading(0.1, 0, 0.02)];
  expect(examineRun({ before, running, after: reading(0.9, 0, 0.02) })).toEqual([]);
  const late = examineRun({ before, running, after: reading(1.2, 0, 0.02) });
  expect(late.map(({ kind }) => kind)).toEqual(["lag"]);
});

test("details where the cleanest range already held most, and chance, which is none", () => {
  const level = (from: number, to: number, value: number) => ({
    ...{ from, to, lowerBound: { value, standardError: 0.05 }, naive: { value, standardError: 0.05 } },
    lag: { value: 0, standardError: 0 },
  });
  const of = (parts: readonly number[]): Divergence => {
    const value = parts.reduce((sum, part) => sum + part, 0);
    const levels = parts.map((part, i) => level(i, i + 1, part));
    return { ...level(0, 3, value), levels, samples: 100 };
  };
  const after = of([0, 0, 2.9]);
  expect(examineRun({ before: of([5, 3, 2]), running: after, after }).map(({ kind }) => kind)).toEqual(["details"]);
  const [a, b] = [reading(0.002), reading(0.003)];
  expect(examineRun({ before: a, running: b, after: b })).toEqual([]);
  expect(examineRun({ before: reading(-0.03), running: a, after: reading(0) })).toEqual([]);
});

test("a method without a gauge is judged by its audits alone", () => {
  const findings = examineRun({ before: reading(10), running: undefined, after: reading(10) });
  expect(findings.map(({ kind }) => kind)).toEqual(["no-nearer"]);
});
