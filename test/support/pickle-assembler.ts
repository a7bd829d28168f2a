import { zipSync } from "fflate";

/** A pickle of protocol 2 in an archive, with storages. */
export function archive(
  pickle: string,
  storages: Readonly<Record<string, Uint8Array>> = {},
  level: 0 | 6 = 0,
): Uint8Array {
  const records = Object.entries(storages).map(([key, bytes]) => [`m/data/${key}`, bytes]);
  return zipSync({ "m/data.pkl": latin1(`\x80\x02${pickle}`), ...Object.fromEntries(records) }, { level });
}
/** Bytes of characters up to 255. */
export const latin1 = (characters: string) => Uint8Array.from(characters, (c) => c.charCodeAt(0));
export const uint32 = (n: number) => String.fromCharCode(n & 255, (n >>> 8) & 255, (n >>> 16) & 255, n >>> 24);
export const text = (value: string) => `X${uint32(value.length)}${value}`;
export const int = (n: number | bigint): string => {
  const bytes = new Uint8Array(new BigInt64Array([BigInt(n)]).buffer);
  return `\x8a\x08${String.fromCharCode(...bytes)}`;
};
export const tuple = (values: readonly string[]) => `(${values.join("")}t`;
export const storage = (type: string, key: string, count: number | bigint) =>
  `${tuple([text("storage"), `ctorch\n${type}\n`, text(key), text("cpu"), int(count)])}Q`;
export type Ints = readonly (number | bigint)[];
export const tensor = (from: string, offset: number | bigint, shape: Ints, strides: Ints) =>
  `ctorch._utils\n_rebuild_tensor_v2\n${tuple([from, int(offset), tuple(shape.map(int)), tuple(strides.map(int)), "\x89", "}"])}R`;
export const dict = (entries: Readonly<Record<string, string>>) =>
  `}(${Object.entries(entries)
    .map(([name, value]) => text(name) + value)
    .join("")}u`;
export const eight = { s: new Uint8Array(Float32Array.from({ length: 8 }, (_, i) => i).buffer) };
export const floats = storage("FloatStorage", "s", 8);
