/** Tables of what the examples that draw words came to, out of their `report.json`. */
import type { Estimate } from "../../examples/text-to-image/intervals.ts";
import type { Report, Row, RowName } from "../../examples/text-to-image/report.ts";
import { table } from "./markdown.ts";

const names = {
  real: "real pictures",
  teacher50: "teacher, 50 DDIM steps",
  teacher50Guided: "the same with guidance",
  teacher1: "teacher, one step",
  generator: "generator, one step",
} as const satisfies Record<RowName, string>;

/** An estimate with half of its interval. */
function estimate({ value, low, high }: Estimate, scale: number, digits: number): string {
  return `${(scale * value).toFixed(digits)} ± ${((scale * (high - low)) / 2).toFixed(digits)}`;
}

const share = (of: Estimate) => estimate(of, 1, 3);
const percent = (of: Estimate) => `${estimate(of, 100, 1)} %`;
const distance = ({ frechetDistance }: Row) => estimate(frechetDistance, 1, 0);

/** Each way to draw, under its name, with the row of both groups. */
function ways(report: string) {
  const { groups, settings } = JSON.parse(report) as Report;
  return (Object.keys(names) as RowName[]).map((name) => ({
    name: name === "teacher50Guided" ? `${names[name]} ${settings["kappa"]}` : names[name],
    isGenerator: name === "generator",
    trained: groups.trained[name],
    heldOut: groups.heldOut[name],
  }));
}

const bold = (cells: readonly string[]) => cells.map((cell) => (cell === "" ? cell : `**${cell}**`));

/** The table of README.md. */
export function readmeTable(report: string): string {
  return table(
    ["", "passes", "all words right", "distance", "on held-out pairs", "distance"],
    ways(report).map(({ name, isGenerator, trained, heldOut }) => {
      const passes = trained.networkPasses === 0 ? "" : String(trained.networkPasses);
      const figures = [percent(trained.allRight), distance(trained), percent(heldOut.allRight), distance(heldOut)];
      return isGenerator ? [...bold([name]), passes, ...bold(figures)] : [name, passes, ...figures];
    }),
  );
}

/** A table of one group with every aspect of the words. */
export function examplePairs(report: string, group: "trained" | "heldOut"): string {
  const all = ways(report);
  const aspects = Object.keys(all[0]?.[group].right ?? {});
  return table(
    ["", "pictures", "passes", ...aspects, "all words", "distance"],
    all.map(({ name, [group]: row }) => [
      ...[name, String(row.pictures), String(row.networkPasses)],
      ...aspects.map((aspect) => share(row.right[aspect] as Estimate)),
      ...[share(row.allRight), distance(row)],
    ]),
  );
}

/** The table of an example with few aspects: both groups side by side. */
export function exampleTable(report: string): string {
  const all = ways(report);
  const aspects = Object.keys(all[0]?.trained.right ?? {});
  const figures = (row: Row) => [...aspects.map((aspect) => share(row.right[aspect] as Estimate)), distance(row)];
  return table(
    ["", "passes", ...aspects, "distance", ...[...aspects, "distance"].map((name) => `${name}, held out`)],
    all.map(({ name, isGenerator, trained, heldOut }) => [
      ...(isGenerator ? bold([name]) : [name]),
      String(trained.networkPasses),
      ...figures(trained),
      ...figures(heldOut),
    ]),
  );
}
