import { describe, expect, it } from "vitest";
import { askedFor, whyNot } from "../../../../examples/browser/training/asked";
import { newRecord } from "../../../../examples/browser/training/record";
import { failureOf, isDeadEnd } from "../../../../examples/browser/training/words";

describe("what the address asks for", () => {
  it("is taken", () => {
    const { settings, backend, wrong } = askedFor("?backend=wasm&iterations=20&seed=0&captions=100&save=5&look=6");
    expect(settings).toEqual({ iterations: 20, seed: 0, captions: 100, saveEvery: 5, lookEvery: 6 });
    expect([backend, wrong]).toEqual(["wasm", ""]);
    expect(askedFor("")).toMatchObject({ backend: "auto", wrong: "" });
  });

  it("is refused in words where it cannot be had", () => {
    const { settings, backend, wrong } = askedFor("?backend=foo&iterations=abc&seed=-1&save=&look=1.5");
    expect({ settings, backend }).toEqual({ settings: askedFor("").settings, backend: "auto" });
    expect(wrong).toMatch(/“backend” must be one of auto, webgpu.*“iterations” must be .*“seed”.*“save”.*“look”.*\.$/);
  });

  it("is refused where nothing is given", () => expect(askedFor("?seed=").wrong).toMatch(/“seed” must be/));

  it("is not trained where a run has it already", () => {
    const settings = { ...askedFor("").settings, iterations: 5 };
    const record = { ...newRecord(settings, "wasm", 90), saved: 5 };
    expect(whyNot(settings, record)).toMatch(/^5 iterations are done already/);
    expect(whyNot({ ...settings, iterations: 6 }, record)).toBeUndefined();
    expect(whyNot(settings, undefined)).toBeUndefined();
  });
});

describe("a failure", () => {
  it("of what is stored says what to do with it, and nothing of the library", () => {
    for (const code of ["checkpoint-mismatch", "corrupt-file"]) {
      expect(failureOf({ code, message: "distill: call useBackend" })).toMatch(/: delete it to begin anew\.$/);
      expect(failureOf({ code, message: "distill: call useBackend" })).not.toContain("distill");
      expect(isDeadEnd(code)).toBe(true);
    }
  });

  it("of the machine is told with its code, and the run can go on", () => {
    expect(failureOf({ code: "device-lost", message: "gone" })).toMatch(/^The GPU was lost.* gone \(device-lost\)$/);
    expect(failureOf({ code: undefined, message: "gone" })).toBe("gone");
    expect([isDeadEnd("device-lost"), isDeadEnd(undefined)]).toEqual([false, false]);
  });
});
