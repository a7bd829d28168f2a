import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fc, test } from "@fast-check/vitest";
import { describe, expect, test as plain } from "vitest";
import { fewestPoints, paper, preparedLaws, type Stroke } from "../../../examples/laboratory/laws";
import { fromLink, readLink, toLink } from "../../../examples/laboratory/link";
import { defaultLook, type Look, lookClasses, lookRanges } from "../../../examples/laboratory/look";
import { defaultsOf, methodNames } from "../../../examples/laboratory/methods";
import {
  type Contestant,
  contestantRanges,
  contestantWords,
  defaultState,
  type LabState,
  type Range,
  stateRanges,
  stateWords,
} from "../../../examples/laboratory/state";

const within = ({ least, most, whole }: Range) =>
  whole
    ? fc.integer({ min: least, max: most })
    : // −0 becomes 0 on the way.
      fc.double({ min: least, max: most, noNaN: true }).map((x) => x + 0);
const each = <T extends Readonly<Record<string, Range>>>(ranges: T) =>
  Object.fromEntries(Object.entries(ranges).map(([name, range]) => [name, within(range)]));
const any = (words: readonly string[]) => fc.constantFrom(...words);

const contestants = fc.constantFrom(...methodNames).chain((method) => {
  const taken = [...Object.keys(defaultsOf(method)), "learningRate", "fakeLearningRate", "passes"];
  const all = {
    ...each(contestantRanges),
    ...Object.fromEntries(Object.entries(contestantWords).map(([name, words]) => [name, any(words)])),
  };
  const own = Object.fromEntries(Object.entries(all).filter(([name]) => taken.includes(name)));
  return fc.record(own, { requiredKeys: [] }).map((settings) => ({ method, ...settings }) as Contestant);
});
const strokes = fc
  .array(
    fc.record({
      class: fc.constantFrom(0 as const, 1 as const),
      points: fc.array(fc.tuple(fc.nat(paper), fc.nat(paper)), { minLength: fewestPoints, maxLength: 30 }),
    }),
    { minLength: 1, maxLength: 4 },
  )
  .map((all): readonly Stroke[] => all);
const states = fc.record({
  law: fc.oneof(any(Object.keys(preparedLaws)), strokes),
  ...Object.fromEntries(Object.entries(stateWords).map(([name, words]) => [name, any(words)])),
  ...each(stateRanges),
  contestants: fc.array(contestants, { minLength: 1, maxLength: 2 }),
}) as unknown as fc.Arbitrary<LabState>;

const looks: fc.Arbitrary<Look> = fc.record({
  time: within(lookRanges.time),
  class: fc.constantFrom(...Object.values(lookClasses)),
});

describe("a link", () => {
  test.prop({ state: states })("brings its state back", ({ state }) => {
    expect(fromLink(toLink(state))).toEqual(state);
    expect(fromLink(`#${toLink(state)}`)).toEqual(state);
  });

  test.prop({ state: states, look: looks })(
    "brings back what is looked at, and a program its state",
    ({ state, look }) => {
      const link = toLink(state, look);
      expect(readLink(link)).toEqual({ state, look });
      expect(fromLink(link)).toEqual(state);
    },
  );

  test.prop({ state: states, look: looks })(
    "says what is looked at behind all else, and where it is another",
    ({ state, look }) => {
      const [plain, link] = [toLink(state), toLink(state, look)];
      expect(link.startsWith(plain)).toBe(true);
      const said = new URLSearchParams(link.slice(plain.length));
      expect(said.has("time")).toBe(look.time !== defaultLook.time);
      expect(said.has("class")).toBe(look.class !== defaultLook.class);
      expect(readLink(plain)).toEqual({ state, look: defaultLook });
    },
  );

  test.prop({ state: states, look: looks, at: fc.nat(), letter: fc.string({ minLength: 0, maxLength: 2 }) })(
    "that was damaged is told in words, or is another state, and never anything else",
    ({ state, look, at, letter }) => {
      const link = toLink(state, look);
      const place = at % link.length;
      try {
        fromLink(link.slice(0, place) + letter + link.slice(place + 1));
      } catch (error) {
        expect(error).toHaveProperty("name", "SidError");
      }
    },
  );

  plain("is short, and reads itself", () => {
    expect(toLink(defaultState)).toBe(
      "v=1&law=ring&teacher=exact&process=ddpm&seed=1&batch=256&iterations=600&pretraining=600&a=sid-lsg_kappa1_1_kappa2_1_kappa4_1",
    );
    expect(fromLink("v=1")).toEqual(defaultState);
    expect(toLink(defaultState, defaultLook)).toBe(toLink(defaultState));
    expect(toLink(defaultState, { time: 0.31, class: undefined })).toBe(`${toLink(defaultState)}&time=0.31&class=none`);
  });

  plain("leaves out what is not set", () => {
    const link = toLink({
      ...defaultState,
      contestants: [{ method: "sid", alpha: undefined } as unknown as Contestant],
    });
    expect(link).toMatch(/&a=sid$/);
  });

  plain.each([
    ["", /damaged: it does not say its version/],
    ["v=2&law=ring", /of version 2 .* reads version 1: reload/],
    ["v=1&v=1", /twice/],
    ["v=1&lav=ring", /"lav"; is law meant/],
    ["v=1&law=rings", /law must be one of ring, .*did you mean ring/],
    ["v=1&seed=x", /seed is "x", which is no number/],
    ["v=1&batch=5000", /batch must be a whole number from 16 to 1024, got 5000/],
    ["v=1&iterations=1.5", /iterations must be a whole number/],
    ["v=1&a=sidd", /no method "sidd"; did you mean sid/],
    ["v=1&a=sid_alpha_9", /alpha must be a number from -1 to 3, got 9/],
    ["v=1&a=sid_alpha", /alpha has no value/],
    ["v=1&a=sid_alpha_1_alpha_2", /alpha stands there twice/],
    ["v=1&a=sds_kappa1_1", /SDS.* has no kappa1; it takes kappa4|has no kappa1; it takes/],
    ["v=1&time=1", /time must be a number from 0\.01 to 0\.99, got 1/],
    ["v=1&time=early", /time is "early", which is no number/],
    ["v=1&class=2", /class must be one of 0, 1, none, got "2"/],
    ["v=1&class=nine", /class must be one of .*did you mean none/],
    ["v=1&law=draw.0AAAAA", /drawing is cut off/],
    ["v=1&law=draw.0AAAABBBBCCCC", /3 points, and a law wants at least 8/],
  ])("%s: told in words", (link, words) => {
    expect(() => fromLink(link)).toThrow(words);
  });
});

plain("the states that documents link to can be opened", () => {
  const documents = readdirSync("docs", { recursive: true, encoding: "utf8" }).filter(
    (path) => path.endsWith(".md") && !path.startsWith("site"),
  );
  const links = documents.flatMap((path) =>
    [...readFileSync(join("docs", path), "utf8").matchAll(/laboratory(?:\.md|\.html)?#(v=[^)\s"]*)/g)].map(
      ([, link]) => link as string,
    ),
  );
  expect(links.length).toBeGreaterThan(0);
  for (const link of links) expect(toLink(fromLink(link))).toContain("v=1&law=");
});
