import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { checksum } from "../../src/train/checksum";

const utf8 = (text: string) => new TextEncoder().encode(text);

test("is XXH32: the values that others publish", () => {
  expect(checksum(utf8(""))).toBe("02cc5d05");
  expect(checksum(utf8("a"))).toBe("550d7456");
  expect(checksum(utf8("abc"))).toBe("32d153ff");
  expect(checksum(utf8("Nobody inspects the spammish repetition"))).toBe("e2293b2f");
});

const bytes = fc.uint8Array({ minLength: 1, maxLength: 80 });

test.prop({ bytes, at: fc.nat(), bit: fc.nat(7) })("notices each bit", ({ bytes, at, bit }) => {
  const flipped = bytes.slice();
  flipped[at % bytes.length] = (bytes[at % bytes.length] as number) ^ (1 << bit);
  expect(checksum(flipped)).not.toBe(checksum(bytes));
});

test.prop({ bytes, offset: fc.nat(9) })("does not depend on where the bytes lie", ({ bytes, offset }) => {
  const padded = new Uint8Array(bytes.length + offset + 3).fill(7);
  padded.set(bytes, offset);
  expect(checksum(padded.subarray(offset, offset + bytes.length))).toBe(checksum(bytes));
});
