import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { readResults } from "../../../examples/experiments/results";
import type { RunRecord } from "../../../examples/experiments/runs";
import { otherStartsText, sharedStart } from "../../../examples/league/findings";
import type { PlaneFigures } from "../../../examples/league/plane-jobs";
import { leagueReport } from "../../../examples/league/report";
import { ratesToTry } from "../../../examples/league/search";
import { searchText } from "../../../examples/league/search-text";

const committed = readResults<PlaneFigures>("docs/league/results.jsonl");

test("the committed page is what the committed results make, in whatever order they come", async () => {
  const [page = {}, other = {}] = await Promise.all(
    [committed, [...committed].reverse()].map((records) => leagueReport(records)),
  );
  // The sheet of points is put in where the runs are.
  const written = readFileSync("docs/league/README.md", "utf8");
  const [before = "", after = ""] = (page["README.md"] ?? "").split("## Which methods are meant");
  expect(written.startsWith(before.trimEnd())).toBe(true);
  expect(written.endsWith(after)).toBe(true);
  for (const [file, text] of Object.entries(page)) expect(other[file] === text, file).toBe(true);
  expect(written).not.toMatch(/NaN|undefined|null|Infinity/);
});

test("methods that start otherwise are not compared with the start", () => {
  expect(sharedStart).toEqual(expect.arrayContaining(["sid", "sid-lsg", "sds", "csd", "vsd", "dmd", "dmd2", "sim"]));
  for (const name of ["few-step-sid", "sid-dit", "tdm", "lcm"] as const) expect(sharedStart).not.toContain(name);
  expect(otherStartsText()).toContain("13 methods");
});

test("the search goes on to the side where the best is the last, and no further", () => {
  const budget = { rates: [3, 10], beyond: { smaller: [1], larger: [30, 100] } };
  const known = (kls: Readonly<Record<number, number>>) => (rate: number) => kls[rate];
  expect(ratesToTry(budget, known({ 3: 5 }))).toEqual([3, 10]);
  expect(ratesToTry(budget, known({ 3: 5, 10: 4 }))).toEqual([3, 10, 30]);
  expect(ratesToTry(budget, known({ 3: 5, 10: 4, 30: 6 }))).toEqual([3, 10, 30]);
  expect(ratesToTry(budget, known({ 3: 5, 10: 4, 30: 3 }))).toEqual([3, 10, 30, 100]);
  expect(ratesToTry(budget, known({ 3: 5, 10: 4, 30: 3, 100: 2 }))).toEqual([3, 10, 30, 100]);
  expect(ratesToTry(budget, known({ 3: 4, 10: 5, 1: 3 }))).toEqual([1, 3, 10]);
  expect(ratesToTry(budget, known({ 3: 5, 10: Number.POSITIVE_INFINITY }))).toEqual([1, 3, 10]);
});

test("what was searched is said as it was", () => {
  const tuned = (name: string, learningRate: number) =>
    ({
      name: `tune-${name}-${learningRate}`,
      seed: 1000,
      settings: { learningRate },
    }) as unknown as RunRecord<PlaneFigures>;
  const same = [tuned("sid", 0.01), tuned("sid", 0.001), tuned("sid-lsg", 0.01), tuned("sid-lsg", 0.001)];
  expect(searchText(same)).toBe("at step sizes of 0.001, 0.01");
  expect(searchText([...same, tuned("sid-lsg", 0.03)])).toBe(
    "at step sizes of 0.001, 0.01, and on while the best was the last one there: 0.03",
  );
});
