/** The one of `known` that someone who wrote `name` most likely meant; undefined where none or more than one is near. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const wanted = plain(name);
  const scores = known.map((candidate) => {
    const other = plain(candidate);
    const within = Math.min(wanted.length, other.length) > 2 && (other.includes(wanted) || wanted.includes(other));
    return within ? Math.min(1, distance(wanted, other)) : distance(wanted, other);
  });
  const least = Math.min(...scores);
  const best = known.filter((_, i) => scores[i] === least);
  return best.length === 1 && least <= Math.max(1, Math.floor(wanted.length / 3)) ? best[0] : undefined;
}

/** Upper and lower case, `_` and `-` do not count. */
function plain(name: string): string {
  return name
    .slice(0, 60)
    .toLowerCase()
    .replace(/[^a-z0-9]/g, "");
}

/** Levenshtein's: letters to add, remove or replace. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] as number) + Number(a[i - 1] !== b[j - 1]);
      next[j] = Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1);
    }
    row = next;
  }
  return row[b.length] as number;
}
