import { inspect } from "node:util";
import { expect, test, vi } from "vitest";
import { SidError } from "../../src/core/errors";

/** The class as another copy of this package has it. */
async function otherCopy(): Promise<typeof SidError> {
  vi.resetModules();
  const other = (await import("../../src/core/errors")).SidError;
  expect(other).not.toBe(SidError);
  return other;
}

test("errors of one copy of this package are those of another, both ways", async () => {
  const Other = await otherCopy();
  for (const [Made, Asked] of [
    [SidError, Other],
    [Other, SidError],
    [SidError, SidError],
  ] as const) {
    const error: unknown = new Made("io", "no");
    expect(error instanceof Asked).toBe(true);
    expect(error).toBeInstanceOf(Asked);
    expect(error).toBeInstanceOf(Error);
  }
});

test("nothing else is one", () => {
  const alike = Object.assign(new Error("no"), { name: "SidError", code: "io" });
  for (const value of [alike, new TypeError("no"), { code: "io" }, null, undefined, "SidError", 3, () => {}])
    expect((value as unknown) instanceof SidError, String(value)).toBe(false);
});

test("a class that extends it tells its own apart, also from those of another copy", async () => {
  const Other = await otherCopy();
  class Mine extends SidError {}
  const mine: unknown = new Mine("io", "no");
  for (const Class of [Mine, SidError, Other, Error]) expect(mine instanceof Class).toBe(true);
  for (const error of [new SidError("io", "no"), new Other("io", "no"), new Error("no")])
    expect(error instanceof Mine).toBe(false);
});

test("it prints its name, its message and its code, whatever a bundler calls the class", () => {
  const error = new SidError("out-of-range", "lsg: kappa must be positive.", { cause: new Error("deep") });
  expect(String(error)).toBe("SidError: lsg: kappa must be positive.");
  expect(error.stack).toMatch(/^SidError: lsg: kappa must be positive\.\n {4}at .*errors\.node\.test\.ts/);
  expect(inspect(error)).toMatch(/^SidError: lsg: kappa must be positive\.\n {4}at [\s\S]*code: 'out-of-range'/);
  expect(inspect(error)).not.toMatch(/\[SidError\]|name:/);
  expect(Object.keys(error)).toEqual(["code"]);
  expect(SidError.name).toBe("SidError");
  expect((error.cause as Error).message).toBe("deep");
});
