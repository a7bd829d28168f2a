/** A module with `f(x, y, z)`, the first lane of `f32x4.relaxed_madd` of three numbers in all lanes. */
const probe = Uint8Array.of(
  ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0], // "\0asm", version 1
  ...[1, 8, 1, 0x60, 3, 0x7d, 0x7d, 0x7d, 1, 0x7d], // type 0: (f32, f32, f32) → f32
  ...[3, 2, 1, 0], // function 0 has it
  ...[7, 5, 1, 1, 0x66, 0, 0], // and is exported as "f"
  ...[10, 22, 1, 20, 0], // its code:
  ...[0x20, 0, 0xfd, 0x13, 0x20, 1, 0xfd, 0x13, 0x20, 2, 0xfd, 0x13], // local.get and f32x4.splat, three times
  ...[0xfd, 0x85, 0x02, 0xfd, 0x1f, 0, 0x0b], // f32x4.relaxed_madd, f32x4.extract_lane 0
);

/** Whether this engine has relaxed SIMD, and its multiply-add rounds once, as a processor's instruction for it does. */
export function fuses(): boolean {
  if (!WebAssembly.validate(probe)) return false;
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(probe));
  const f = exports["f"] as (x: number, y: number, z: number) => number;
  // x² = 1 + 2⁻¹¹ + 2⁻²⁴, and no float lies between 1 + 2⁻¹¹ and 2⁻²³ above it.
  const x = 1 + 2 ** -12;
  return f(x, x, -1 - 2 ** -11) === 2 ** -24;
}
