import { describe, expect, test } from "vitest";
import { type Claim, claims, judgeClaims } from "../../../examples/study/claims";
import { type ConfigurationName, configurations } from "../../../examples/study/configurations";
import { recordOf } from "./records";

const claim = (wanted: "less" | "more", figure: Claim["figure"] = "frechetDistance"): Claim => {
  return { says: "A is nearer", of: "lsg-1.5", against: "none", figure, wanted };
};

/** Runs of both, whose distances differ by these, seed by seed; on held-out pairs not at all. */
const runs = (differences: readonly number[]) =>
  differences.flatMap((difference, seed) => [
    recordOf("none", seed, { frechetDistance: 100 * seed }),
    recordOf("lsg-1.5", seed, { frechetDistance: 100 * seed + difference }, { frechetDistance: 100 * seed }),
  ]);

describe("a claim", () => {
  test.each([
    ["holds", "less", [-10, -11, -9, -10.5, -9.5]],
    ["fails", "more", [-10, -11, -9, -10.5, -9.5]],
    // Alone p = 0.019, of three claims on two groups 0.11.
    ["tends to hold", "less", [-1, -3, -8, -5, -6]],
    ["tends to fail", "more", [-1, -3, -8, -5, -6].map((d) => 0.9 * d)],
    ["undecided", "less", [-10, 5, -3, 2, -8]],
    ["undecided", "less", [-10]],
  ] as const)("%s where %s is wanted and the seeds differ by %j", (word, wanted, differences) => {
    const all = word.startsWith("tends") ? [...Array(3)].map(() => claim(wanted)) : [claim(wanted)];
    expect(judgeClaims(runs(differences), all)[0]?.trained?.word).toBe(word);
  });

  test("pairs runs of one seed: what the seed does to both does not count", () => {
    const verdict = judgeClaims(runs([-10, -11, -9]), [claim("less")])[0];
    expect(verdict?.trained?.difference?.value).toBeCloseTo(-10, 12);
    expect(verdict?.trained?.difference?.interval?.high).toBeLessThan(-7);
    expect(verdict?.heldOut).toMatchObject({ word: "undecided", chance: 1 });
  });

  test("leaves out seeds whose pictures were not finite", () => {
    const records = [...runs([-10, -11, -9]), recordOf("none", 3, { frechetDistance: 5 })];
    const broken = [...records, recordOf("lsg-1.5", 3, { frechetDistance: null })];
    expect(judgeClaims(broken, [claim("less")])).toEqual(judgeClaims(runs([-10, -11, -9]), [claim("less")]));
  });

  test("about neighbours is judged on trained pairs alone", () => {
    expect(Object.keys(judgeClaims(runs([1, 2, 3]), [claim("more", "recall")])[0] ?? {})).toEqual(["trained"]);
  });
});

test("the study's claims compare configurations that differ in one thing", () => {
  for (const { of, against } of claims) {
    const [a, b] = [of, against].map((name: ConfigurationName) => configurations[name]);
    expect(a).not.toEqual(b);
    const isOfAlpha = a?.alpha !== b?.alpha;
    const isOfGuidance = JSON.stringify(a?.guidance) !== JSON.stringify(b?.guidance);
    expect([isOfAlpha, isOfGuidance]).toContain(false);
  }
});
