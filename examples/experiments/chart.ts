import { parse, View } from "vega";
import { compile, type TopLevelSpec } from "vega-lite";

/** One figure of one contestant, with its interval. */
export interface Bar {
  readonly name: string;
  /** The panel that it stands in. */
  readonly panel: string;
  /** Its colour. */
  readonly group: string;
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** Names from top to bottom, a panel per figure with a scale of its own: a dot and its interval each. */
export interface IntervalChart {
  readonly names: readonly string[];
  readonly panels: readonly string[];
  readonly groups: readonly string[];
  readonly bars: readonly Bar[];
  /** Panels whose figures span orders of magnitude; where some are not above 0, small ones stay linear. */
  readonly logarithmic?: readonly string[];
}

export async function intervalChart(chart: IntervalChart): Promise<string> {
  const { names, panels, groups, bars, logarithmic = [] } = chart;
  const y = { field: "name", type: "nominal", sort: [...names], title: null, axis: { labelLimit: 260 } } as const;
  const colour = { field: "group", type: "nominal", scale: { domain: [...groups] }, title: null } as const;
  return render({
    hconcat: panels.map((panel, i) => {
      const rows = bars.filter((bar) => bar.panel === panel);
      const wide = logarithmic.includes(panel);
      const log = wide && rows.every(({ value }) => value > 0);
      const scale = log
        ? ({ type: "log" } as const)
        : wide
          ? ({ type: "symlog", constant: 1 } as const)
          : ({ zero: false } as const);
      const x = { type: "quantitative", title: panel, scale, axis: { tickCount: 5 } } as const;
      // A logarithm ends at what is above 0.
      const values = rows.map((bar) => ({ ...bar, low: log ? Math.max(bar.low, bar.value / 100) : bar.low }));
      const axis = i === 0 ? y : { ...y, axis: { labels: false, ticks: false } };
      const name = { ...axis, scale: { domain: [...names] } };
      return {
        width: 300,
        height: { step: 20 },
        data: { values },
        layer: [
          {
            mark: { type: "rule", strokeWidth: 2 },
            encoding: { y: name, x: { field: "low", ...x }, x2: { field: "high" }, color: colour },
          },
          {
            mark: { type: "point", filled: true, size: 60, opacity: 1 },
            encoding: { y: name, x: { field: "value", ...x }, color: colour },
          },
        ],
      };
    }),
    config: { font: "sans-serif", background: "white", legend: { orient: "bottom" } },
  });
}

/** One figure along an axis. */
export interface Curve {
  readonly x: number;
  readonly panel: string;
  readonly group: string;
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** Figures along an axis, a panel each, with bands of their intervals. */
export async function curveChart(
  title: string,
  panels: readonly string[],
  groups: readonly string[],
  curves: readonly Curve[],
): Promise<string> {
  const scale = { domain: [...groups] };
  const legend = { symbolOpacity: 1 };
  const colour = { field: "group", type: "nominal", scale, title: null, legend } as const;
  const x = { field: "x", type: "quantitative", title, scale: { zero: false } } as const;
  return render({
    hconcat: panels.map((panel) => {
      const y = { type: "quantitative", title: panel, scale: { zero: false } } as const;
      return {
        ...{ width: 300, height: 220 },
        data: { values: curves.filter((curve) => curve.panel === panel) },
        layer: [
          {
            mark: { type: "area", opacity: 0.2 },
            encoding: { x, y: { field: "low", ...y }, y2: { field: "high" }, color: colour },
          },
          {
            mark: { type: "line", point: true },
            encoding: { x, y: { field: "value", ...y }, color: colour },
          },
        ],
      };
    }),
    config: { font: "sans-serif", background: "white", legend: { orient: "bottom" } },
  });
}

/** Dots in one square, with the line on which both figures are the same. */
export async function scatterChart(
  axes: { readonly x: string; readonly y: string },
  groups: readonly string[],
  dots: readonly { readonly x: number; readonly y: number; readonly group: string }[],
): Promise<string> {
  const legend = { labelLimit: 300 } as const;
  const x = { field: "x", type: "quantitative", title: axes.x } as const;
  const y = { field: "y", type: "quantitative", title: axes.y } as const;
  const ends = dots.flatMap((dot) => [dot.x, dot.y]);
  const color = {
    ...({ field: "group", type: "nominal", title: null, legend } as const),
    scale: { domain: [...groups], scheme: "tableau20" },
  } as const;
  return render({
    ...{ width: 420, height: 360 },
    layer: [
      {
        data: { values: [Math.min(...ends), Math.max(...ends)].map((end) => ({ x: end, y: end })) },
        mark: { type: "line", color: "#888", strokeDash: [4, 4] },
        encoding: { x, y },
      },
      {
        data: { values: [...dots] },
        mark: { type: "point", filled: true, size: 50, opacity: 0.9 },
        encoding: { x, y, color },
      },
    ],
    config: { font: "sans-serif", background: "white", legend: { columns: 1 } },
  });
}

/** A way through a plane, point by point. */
export interface Path {
  readonly panel: string;
  readonly group: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

/** Ways through a plane to a goal, a panel each; what lies beside the window is not drawn. */
export async function pathChart(
  axes: { readonly x: Axis; readonly y: Axis },
  panels: readonly string[],
  paths: readonly Path[],
  goal: { readonly x: number; readonly y: number },
): Promise<string> {
  const groups = [...new Set(paths.map(({ group }) => group))];
  const within = ({ least, most }: Axis) => ({ domain: [least, most] as [number, number] });
  const x = { field: "x", type: "quantitative", title: axes.x.title, scale: within(axes.x) } as const;
  const y = { field: "y", type: "quantitative", title: axes.y.title, scale: within(axes.y) } as const;
  const color = {
    field: "group",
    type: "nominal",
    title: null,
    scale: { domain: groups },
    legend: { labelLimit: 300 },
  } as const;
  const inside = (value: number, { least, most }: Axis) => value >= least && value <= most;
  return render({
    hconcat: panels.map((panel) => ({
      ...{ width: 340, height: 260, title: panel },
      layer: [
        {
          data: {
            values: paths
              .filter((path) => path.panel === panel)
              .flatMap(({ group, points }) => points.map((point, step) => ({ ...point, group, step })))
              .filter((point) => inside(point.x, axes.x) && inside(point.y, axes.y)),
          },
          mark: { type: "line", clip: true },
          encoding: { x, y, color, order: { field: "step", type: "quantitative" } },
        },
        {
          data: { values: [goal] },
          mark: { type: "point", shape: "cross", size: 120, color: "black", filled: true },
          encoding: { x, y },
        },
      ],
    })),
    config: { font: "sans-serif", background: "white", legend: { orient: "bottom" } },
  });
}

/** An axis and the window on it. */
export interface Axis {
  readonly title: string;
  readonly least: number;
  readonly most: number;
}

/** The SVG of a Vega-Lite specification, without a browser. */
async function render(spec: TopLevelSpec): Promise<string> {
  const view = new View(parse(compile(spec).spec), { renderer: "none" });
  try {
    return `${await view.toSVG()}\n`;
  } finally {
    view.finalize();
  }
}
