/** The figures of a run in words and as curves. */
import { divergenceText, halfInterval } from "../../common/divergence";
import { notes } from "../../text-to-image/meaning";
import { drawChart } from "./chart";
import type { RunRecord } from "./record";

const digits = (value: number) => String(Number(value.toPrecision(3)));
const percent = (share: number) => `${(100 * share).toFixed(0)} %`;

/** The last figures by the ids of their places. */
export function figuresOf(record: RunRecord | undefined): Record<"distance" | "right" | "divergence" | "loss", string> {
  const [entry, look] = [record?.entries.at(-1), record?.looks.at(-1)];
  return {
    distance: look && record ? `${digits(look.distance)} (real pictures: ${digits(record.real)})` : "–",
    right: look ? percent(look.right) : "–",
    divergence: entry?.lowerBound ? divergenceText({ lowerBound: entry.lowerBound }) : "–",
    loss: entry ? digits(entry.fakeLoss) : "–",
  };
}

/** The curves up to an iteration, as HTML. */
export function drawCharts({ entries, looks, real, settings }: RunRecord, last: number): string {
  return [
    drawChart({
      title: "Fréchet distance to real pictures",
      note: notes.distance(settings.captions),
      points: looks.map(({ iteration, distance }) => [iteration, distance]),
      mark: { label: "as many real pictures", value: real },
      logarithmic: true,
      inWords: digits,
      last,
    }),
    drawChart({
      title: "All words right",
      note: notes.allRight(settings.captions),
      points: looks.map(({ iteration, right }) => [iteration, right]),
      range: [0, 1],
      inWords: percent,
      last,
    }),
    drawChart({
      title: "KL(generator ‖ teacher), nats",
      note: notes.divergence,
      points: entries.flatMap(({ iteration, lowerBound }) =>
        lowerBound ? [[iteration, lowerBound.value, halfInterval(lowerBound)] as const] : [],
      ),
      inWords: digits,
      last,
    }),
    drawChart({
      title: "Fake score’s loss",
      note: notes.fakeLoss,
      points: entries.map(({ iteration, fakeLoss }) => [iteration, fakeLoss]),
      inWords: digits,
      last,
    }),
  ].join("");
}
