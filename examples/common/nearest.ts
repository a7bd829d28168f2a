/** The one of some names that is likest to a word; undefined where none is like it. */
export function nearest(word: string, names: readonly string[]): string | undefined {
  const [best] = byLikeness(word, names);
  return best !== undefined && edits(word, best) <= word.length / 2 ? best : undefined;
}

/** Names, those that are likest to a word first. */
export function byLikeness(word: string, names: readonly string[]): string[] {
  const ranked = names.map((name) => ({ name, edits: edits(word, name) }));
  return ranked.sort((a, b) => a.edits - b.edits).map(({ name }) => name);
}

/** Letters to insert, remove or replace (Levenshtein), whatever their case. */
function edits(word: string, name: string): number {
  const [a, b] = [word.toLowerCase(), name.toLowerCase()];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++)
      next.push(
        Math.min((row[j] as number) + Number(b[j] !== letter), (row[j + 1] as number) + 1, (next[j] as number) + 1),
      );
    row = next;
  }
  return row.at(-1) as number;
}
