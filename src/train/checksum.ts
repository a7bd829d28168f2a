/** The primes of XXH32, as the 32-bit integers that they are to `Math.imul`. */
const p1 = 0x9e3779b1 | 0;
const p2 = 0x85ebca77 | 0;
const p3 = 0xc2b2ae3d | 0;
const p4 = 0x27d4eb2f;
const p5 = 0x165667b1;

/**
 * XXH32 of bytes, as 8 hexadecimal digits: no change of one 4-byte word goes unnoticed, and gigabytes take seconds.
 * No protection against malice.
 *
 * Source: the xxHash specification 0.1.1, XXH32 with seed 0.
 */
export function checksum({ buffer, byteOffset, length }: Uint8Array): string {
  const whole = length >>> 2;
  // Every platform of tfjs is little-endian, as the hash is; a typed array's words begin at multiples of 4.
  const aligned = byteOffset % 4 === 0 ? byteOffset : 0;
  const source = byteOffset % 4 === 0 ? buffer : buffer.slice(byteOffset, byteOffset + 4 * whole);
  const words = new Int32Array(source, aligned, whole);
  const tail = new Uint8Array(buffer, byteOffset + 4 * whole, length - 4 * whole);

  let i = 0;
  let hash = p5;
  if (length >= 16) {
    let a = (p1 + p2) | 0;
    let b = p2;
    let c = 0;
    let d = -p1 | 0;
    for (const end = whole - (whole % 4); i < end; i += 4) {
      a = round(a, words[i] as number);
      b = round(b, words[i + 1] as number);
      c = round(c, words[i + 2] as number);
      d = round(d, words[i + 3] as number);
    }
    hash = rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18);
  }
  hash = (hash + length) | 0;
  for (; i < whole; i++) hash = Math.imul(rotate((hash + Math.imul(words[i] as number, p3)) | 0, 17), p4);
  for (const byte of tail) hash = Math.imul(rotate((hash + Math.imul(byte, p5)) | 0, 11), p1);
  hash = Math.imul(hash ^ (hash >>> 15), p2);
  hash = Math.imul(hash ^ (hash >>> 13), p3);
  return ((hash ^ (hash >>> 16)) >>> 0).toString(16).padStart(8, "0");
}

function round(lane: number, word: number): number {
  return Math.imul(rotate((lane + Math.imul(word, p2)) | 0, 13), p1);
}

function rotate(x: number, bits: number): number {
  return (x << bits) | (x >>> (32 - bits));
}
