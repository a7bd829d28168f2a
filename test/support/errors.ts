import { expect } from "vitest";
import { SidError, type SidErrorCode } from "../../src/core";

/** Fails unless `f` throws a SidError of that code whose message matches. */
export function expectSidError(code: SidErrorCode, f: () => unknown, message = /./): void {
  let thrown: unknown;
  try {
    f();
  } catch (error) {
    thrown = error;
  }
  expect(thrown, "wanted a SidError").toBeInstanceOf(SidError);
  const { code: came, message: text } = thrown as SidError;
  expect(came, text).toBe(code);
  expect(text).toMatch(message);
}
