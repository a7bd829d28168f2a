/** Where rows end in a file's bytes, and what a row of cells holds. A row never needs more than itself to be read. */

const [lineFeed, carriageReturn, quote] = [10, 13, 34];

/** The end of the line that begins at `begin`, its line end included; -1 where the bytes end before. */
export function lineEnd(bytes: Uint8Array, begin: number): number {
  for (let i = begin; i < bytes.length; i++) if (bytes[i] === lineFeed || bytes[i] === carriageReturn) return i + 1;
  return -1;
}

/** The end of a row of cells, as {@link lineEnd}; a cell that begins with a quote may hold line ends. */
export function rowEnd(bytes: Uint8Array, begin: number, delimiter: number): number {
  let quoted = false;
  // Whether a quote here opens: at a cell's first byte, and after a closing quote, since two are one that stays.
  let opens = true;
  for (let i = begin; i < bytes.length; i++) {
    const byte = bytes[i];
    if (quoted) {
      if (byte !== quote) continue;
      quoted = false;
      opens = true;
    } else if (byte === lineFeed || byte === carriageReturn) return i + 1;
    else if (byte === quote && opens) quoted = true;
    else opens = byte === delimiter;
  }
  return -1;
}

/** The cells of a row, as RFC 4180 and `csv.reader` of Python read them; throws for quotes that do not fit. */
export function cellsOf(row: string, delimiter: string): string[] {
  const cells: string[] = [];
  for (let at = 0; ; ) {
    const quoted = row[at] === '"';
    const end = quoted ? closingQuote(row, at) + 1 : nextOr(row, delimiter, at);
    cells.push(quoted ? row.slice(at + 1, end - 1).replaceAll('""', '"') : row.slice(at, end));
    if (end === row.length) return cells;
    if (!row.startsWith(delimiter, end))
      throw new Error(
        `the quotes of cell ${cells.length} close before its end; a quote inside of quotes is written twice`,
      );
    at = end + 1;
  }
}

function closingQuote(row: string, open: number): number {
  for (let at = open + 1; ; at += 2) {
    at = row.indexOf('"', at);
    if (at < 0) throw new Error("a cell begins with a quote that never closes");
    if (row[at + 1] !== '"') return at;
  }
}

function nextOr(row: string, delimiter: string, from: number): number {
  const next = row.indexOf(delimiter, from);
  return next < 0 ? row.length : next;
}
