import { checkBoolean, checkFinite, checkInteger, checkObject } from "../../core/checks";

/** Which fields of a configuration are whole numbers above 0, numbers, and true or false. */
export interface FieldKinds<T> {
  readonly integers: readonly (keyof T & string)[];
  readonly numbers?: readonly (keyof T & string)[] | undefined;
  readonly flags?: readonly (keyof T & string)[] | undefined;
}

/** Larger is no width, depth or vocabulary, but a mistake. */
const largest = 2 ** 20;

/** Throws unless a configuration is complete, as the parsers of this library make it. */
export function checkFields<T extends object>(where: string, name: string, config: T, kinds: FieldKinds<T>): void {
  const { integers, numbers = [], flags = [] } = kinds;
  checkObject(where, name, config);
  for (const key of integers) checkInteger(where, `${name}.${key}`, config[key] as number, 1, largest);
  for (const key of numbers) checkFinite(where, `${name}.${key}`, config[key] as number);
  for (const key of flags) checkBoolean(where, `${name}.${key}`, config[key] as boolean);
}
