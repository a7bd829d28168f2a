import { printable } from "../../common/terminal";
import type { Prompts } from "./open";

const shown = 8;

/** Of more prompts than this a sample is tokenised at the start. */
export const sampled = 10_000;

/** Prints how many prompts there are and the first of them, so that what was read can be seen. */
export function showPrompts(prompts: Prompts): void {
  console.log(`${printable(prompts.description)}:`);
  for (let i = 0; i < Math.min(shown, prompts.length); i++) {
    const prompt = printable(prompts.get(i).replace(/\s+/g, " "));
    console.log(`  ${i + 1}. ${prompt.length > 100 ? `${prompt.slice(0, 99)}…` : prompt}`);
  }
  if (prompts.length > shown) console.log("  …");
}

/** How many prompts are cut, in words: counted, or estimated from prompts at equal distances; undefined if none. */
export function tellCuts(
  { length, get }: { readonly length: number; get(index: number): string },
  isCut: (prompt: string) => boolean,
): string | undefined {
  const count = Math.min(length, sampled);
  let cut = 0;
  for (let i = 0; i < count; i++) cut += Number(isCut(get(Math.floor((i * length) / count))));
  if (cut === 0) return undefined;
  if (count === length) return `${cut} of ${length} prompts are too long and cut.`;
  const share = ((100 * cut) / count).toPrecision(2);
  return `About ${share} % of ${length.toLocaleString("en")} prompts are too long and cut (estimated from ${count.toLocaleString("en")}).`;
}
