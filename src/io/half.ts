/** Bits of IEEE binary16 numbers as float32: exact, NaN payloads included. */
export function widenF16(half: Uint16Array): Float32Array<ArrayBuffer> {
  wideF16 ??= Uint32Array.from({ length: 2 ** 16 }, (_, h) => widened(h));
  const wide = wideF16;
  const bits = new Uint32Array(half.length);
  // A plain loop: a model has a thousand million of these.
  for (let i = 0; i < half.length; i++) bits[i] = wide[half[i] as number] as number;
  return new Float32Array(bits.buffer);
}

/** The bits of each binary16 number as float32; made when first needed. */
let wideF16: Uint32Array | undefined;

function widened(h: number): number {
  const sign = (h & 0x8000) << 16;
  const exponent = (h >>> 10) & 0x1f;
  const fraction = h & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f800000 | (fraction << 13);
  if (exponent > 0) return sign | ((exponent + 112) << 23) | (fraction << 13);
  if (fraction === 0) return sign;
  // A subnormal: fraction · 2^-24, normalised for float32's wider exponent.
  const shift = Math.clz32(fraction) - 21;
  return sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13);
}

/** Bits of bfloat16 numbers as float32: exact, NaN payloads included. */
export function widenBF16(half: Uint16Array): Float32Array<ArrayBuffer> {
  const bits = new Uint32Array(half.length);
  for (let i = 0; i < half.length; i++) bits[i] = (half[i] as number) << 16;
  return new Float32Array(bits.buffer);
}

/** Float32 numbers as bits of binary16, rounded to nearest even; what is too large becomes an infinity. */
export function narrowF16(values: Float32Array): Uint16Array<ArrayBuffer> {
  const bits = bitsOf(values);
  return Uint16Array.from(bits, (b) => {
    const sign = (b >>> 16) & 0x8000;
    const magnitude = b & 0x7fffffff;
    if (magnitude > 0x7f800000) return sign | 0x7e00 | ((magnitude >>> 13) & 0x3ff);
    if (magnitude >= 0x47800000) return sign | 0x7c00;
    // Below 2^-14 the result is subnormal: its unit is 2^-24, so shift the whole mantissa down.
    if (magnitude < 0x38800000) {
      const shift = 126 - (magnitude >>> 23);
      return shift > 24 ? sign : sign | shiftToEven((magnitude & 0x7fffff) | 0x800000, shift);
    }
    return sign | shiftToEven(magnitude - 0x38000000, 13);
  });
}

/** Float32 numbers as bits of bfloat16, rounded to nearest even. */
export function narrowBF16(values: Float32Array): Uint16Array<ArrayBuffer> {
  const bits = bitsOf(values);
  return Uint16Array.from(bits, (b) =>
    (b & 0x7fffffff) > 0x7f800000 ? (b >>> 16) | 0x40 : ((b >>> 16) & 0x8000) | shiftToEven(b & 0x7fffffff, 16),
  );
}

function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

/** `n / 2^shift` rounded to the nearest integer, ties to even; `n < 2^31`, `shift ≤ 31`. */
function shiftToEven(n: number, shift: number): number {
  const half = 2 ** (shift - 1);
  const rest = n % 2 ** shift;
  const floor = (n - rest) / 2 ** shift;
  return rest > half || (rest === half && floor % 2 === 1) ? floor + 1 : floor;
}
