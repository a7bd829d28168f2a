/** The tables of the league on emoji. */
import { markdownTable, meanCell } from "../experiments/markdown";
import { type Figure, groupsOf } from "../study/claims";
import { columns, groupTitles, mainFigures, meanOf, neighbourFigures } from "../study/tables";
import { type GroupName, groupNames } from "../text-to-image/world";
import { costOf, entryOf, isMethod, passesOf, type Records, ranked, rateOf, rowsOf, titleOf } from "./emoji-findings";
import type { EmojiTraining } from "./emoji-jobs";

/** Distances and alignment. */
export const figuresTable = (records: Records) => tableOf(records, mainFigures, groupNames);
/** Fidelity and variety, of trained pairs. */
export const neighboursTable = (records: Records) => tableOf(records, neighbourFigures, groupsOf({ figure: "recall" }));

function tableOf(records: Records, figures: readonly Figure[], groups: readonly GroupName[]): string {
  const heads = groups.flatMap((group) => figures.map((figure) => `${columns[figure].title}, ${groupTitles[group]}`));
  const rows = rowsOf(records).map((name) => {
    const own = records.filter((record) => record.name === name);
    const lost = own.filter((record) => record.figures.trained.frechetDistance === null).length;
    const cells = groups.flatMap((group) =>
      figures.map((figure) => meanCell(meanOf(records, name, group, figure), columns[figure].digits)),
    );
    const seeds = isMethod(name) ? `${own.length}${lost > 0 ? `, ${lost} not finite` : ""}` : "–";
    return [titleOf(name), String(passesOf(name)), ...cells, seeds];
  });
  return markdownTable(["", "passes a picture", ...heads, "seeds"], rows);
}

/** What each method takes, and what it sees. */
export function costTable(records: Records): string {
  const rows = ranked(records).map((name) => {
    const cost = (value: (training: EmojiTraining) => number, digits: number) =>
      costOf(records, name, value)?.value.toFixed(digits) ?? "–";
    return [
      titleOf(name),
      entryOf(name).seesPictures ? "yes" : "no",
      String(passesOf(name)),
      String(rateOf(records, name) ?? "–"),
      cost(({ iterations }) => iterations, 0),
      cost(({ passesPerIteration }) => passesPerIteration, 1),
      cost(({ passes }) => passes, 0),
      cost(({ secondsPerIteration }) => 1000 * secondsPerIteration, 0),
      cost(({ peakBytes }) => peakBytes / 1e6, 0),
    ];
  });
  const heads = ["real pictures", "passes a picture", "step size", "iterations"];
  return markdownTable(["", ...heads, "passes an iteration", "passes in all", "ms an iteration", "MB"], rows);
}
