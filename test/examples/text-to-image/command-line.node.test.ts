import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { duration } from "../../../examples/common/progress";
import { captionWords } from "../../../examples/quickstart/captions";
import { world } from "../../../examples/quickstart/world";
import { explainFigures } from "../../../examples/text-to-image/meaning";
import { parseOptions } from "../../../examples/text-to-image/options";
import type { Row, Rows } from "../../../examples/text-to-image/report";
import { formatReport } from "../../../examples/text-to-image/table";
import { knownWords } from "../../../examples/text-to-image/words";

describe("the command line", () => {
  test("has defaults and takes every option", () => {
    expect(parseOptions(world, [])).toEqual({
      iterations: world.recipe.iterations,
      kappa: world.recipe.kappa,
      alpha: world.recipe.alpha,
      captions: world.recipe.captions,
      seed: 0,
      guidance: "lsg",
      backend: "wasm",
      out: resolve(world.out),
      teacher: world.teacherFolder,
      resume: false,
      arithmetic: {},
      allowOtherArithmetic: false,
    });
    const all =
      "--resume --no-fma --allow-other-arithmetic --iterations 7 --seed 3 --kappa 1.5 --backend cpu --captions 200 --out x --guidance teacher --alpha 1.2 --teacher t".split(
        " ",
      );
    expect(parseOptions(world, all)).toEqual({
      resume: true,
      arithmetic: { fma: false },
      allowOtherArithmetic: true,
      iterations: 7,
      seed: 3,
      kappa: 1.5,
      backend: "cpu",
      captions: 200,
      guidance: "teacher",
      alpha: 1.2,
      teacher: resolve("t"),
      out: resolve("x"),
    });
    expect(parseOptions(world, ["--prompt", "a red seven"])).toMatchObject({ prompt: "a red seven" });
    expect(parseOptions(world, ["--help"])).toBeUndefined();
  });

  test.each([
    [["--iterations", "0"], /--iterations must be a number of at least 1, got "0"/],
    [["--iterations", "2.5"], /--iterations must be a whole number/],
    [["--seed", ""], /--seed must be a number/],
    [["--kappa", "much"], /--kappa must be a number of at least 0, got "much"/],
    [["--kappa=-1"], /--kappa must be/],
    [["--captions", "99"], /--captions must be a number of at least 100/],
    [["--backend", "gpu"], /--backend must be auto, cpu, .* or node-gpu, got "gpu"/],
    [["--alpha", "x"], /--alpha must be a number, got "x"/],
    [["--guidance", "none"], /--guidance must be lsg or teacher, got "none"/],
    [["--out", " "], /--out must name a file or folder/],
    [["--prompt", "a red one", "--resume"], /do not go together/],
    [["--steps", "3"], /--steps/],
    [["extra"], /extra/],
  ])("refuses %j", (args, message) => {
    expect(() => parseOptions(world, args)).toThrowError(message);
  });

  test("refuses words that the generator does not know, and names those that it knows, the likest first", () => {
    expect(knownWords("A tiny Cat!", captionWords)).toEqual(["a", "tiny", "cat"]);
    expect(() => knownWords("a purple zebra", captionWords)).toThrowError(
      /does not know "zebra"\. It knows, the likest first: bear /,
    );
    expect(() => knownWords("a rocket and a cat", captionWords)).toThrowError(/does not know "rocket", "and"/);
    for (const empty of ["", "  ", "!?"]) expect(() => knownWords(empty, captionWords)).toThrowError(/prompt is empty/);
  });

  test("prints the report as a table", () => {
    const estimate = (value: number, half: number) => ({ value, low: value - half, high: value + half });
    const row: Row = {
      right: { object: estimate(0.9876, 0.01), size: estimate(1, 0) },
      allRight: estimate(0.98, 0.0123),
      frechetDistance: estimate(12.345, 1.55),
      pictures: 256,
      networkPasses: 50,
    };
    const rows: Rows = {
      real: row,
      teacher50: row,
      teacher50Guided: row,
      teacher1: row,
      generator: { ...row, networkPasses: 1 },
    };
    const lines = formatReport({ groups: { trained: rows, heldOut: rows } }).split("\n");
    expect(lines.length).toBe(14);
    expect(lines[0]).toMatch(/object +size +all words +distance +passes$/);
    expect(lines[1]).toBe("trained pairs, 256 pictures a row");
    expect(lines[6]).toMatch(/^ {2}generator, 1 step +0\.988 ±0\.010 +1\.000 ±0\.000 +0\.980 ±0\.012 +12\.3 ±1\.6 +1$/);
    expect(new Set(lines.filter((line) => line.startsWith("  ")).map((line) => line.length)).size).toBe(1);
    expect(duration(65.4)).toBe("1:05");
  });

  test("says which figures may be compared with what", () => {
    const text = explainFigures(256, 41.23).join("\n");
    expect(text).toMatch(/distance: .* table's 256 captions, which should fall/);
    expect(text).toContain("pictures are at 41.2");
    expect(text).toMatch(/‖δ‖².*not progress/);
    // docs/evaluation.md: 25, 22 and 28 nats while the digits' distance fell from 78.
    expect(text).toMatch(/KL: at least[\s\S]*short guided run to its end while the pictures get better/);
  });
});
