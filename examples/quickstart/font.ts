/** A dot-matrix font, five columns of eight dots per character, so that pictures can carry their labels. */
export const glyphWidth = 5;
export const glyphHeight = 8;

/** Two hexadecimal digits per column; the lowest bit is the top dot. */
const glyphs: Readonly<Record<string, string>> = {
  a: "2054545478",
  b: "7f48444438",
  c: "3844444428",
  d: "384444487f",
  e: "3854545418",
  f: "087e090102",
  g: "18a4a4a47c",
  h: "7f08040478",
  i: "00447d4000",
  j: "4080847d00",
  k: "7f10284400",
  l: "00417f4000",
  m: "7c04780478",
  n: "7c08040478",
  o: "3844444438",
  p: "fc24242418",
  q: "18242424fc",
  r: "7c08040408",
  s: "4854545424",
  t: "043f444020",
  u: "3c4040207c",
  v: "1c2040201c",
  w: "3c4030403c",
  x: "4428102844",
  y: "1ca0a0a07c",
  z: "4464544c44",
  0: "3e5149453e",
  1: "00427f4000",
  2: "4261514946",
  3: "2241494936",
  4: "1814127f10",
  5: "2745454539",
  6: "3c4a494930",
  7: "0171090503",
  8: "3649494936",
  9: "064949291e",
  "-": "0008080800",
  ",": "0080600000",
  ".": "0000606000",
  "*": "0028107c10",
  "(": "001c224100",
  ")": "0041221c00",
};

/** The five columns of a character; blank for one that the font does not have. */
export function glyphColumns(character: string): number[] {
  const code = glyphs[character.toLowerCase()] ?? "0000000000";
  return Array.from({ length: glyphWidth }, (_, i) => Number.parseInt(code.slice(2 * i, 2 * i + 2), 16));
}
