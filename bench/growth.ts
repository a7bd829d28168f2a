/**
 * How time and memory of one whole SiD-LSG iteration grow with the batch, the width and the resolution, on the WASM
 * backend: prints a table and draws the picture of docs/performance.md.
 *
 *     npm run bench:growth -- [FILE.svg]
 */
import { useBackend } from "sid-lsg/backends";
import { writeFileAtomic } from "sid-lsg/io";
import { watchBytes } from "../examples/experiments/peak-bytes";
import { plotSeries, type Series } from "./growth-plot";
import { iterations, type Shape, shapeOf } from "./networks";

const middle = shapeOf("middle");
/** The middle network at another batch, width (of the first level; the second has twice as many) and size. */
const shape = ({ batch = 4, width = 32, size = 16 }): Shape => ({
  ...middle,
  unet: { ...middle.unet, block_out_channels: [width, 2 * width] },
  batch,
  size,
});

await useBackend("wasm", { threads: 1 });
const bytes = watchBytes();

/** Seconds of an iteration, the median of three, and the most bytes that were live. */
async function measure(of: Shape): Promise<{ seconds: number; megabytes: number }> {
  bytes.restart();
  const run = iterations(of);
  const seconds: number[] = [];
  for (let i = 0; i < 5; i++) {
    const started = performance.now();
    await run.next();
    seconds.push((performance.now() - started) / 1000);
  }
  await run.end();
  return { seconds: seconds.slice(2).sort((a, b) => a - b)[1] as number, megabytes: bytes.peak() / 1e6 };
}

const axes = { batch: [1, 2, 4, 8, 16], width: [16, 32, 64, 128], size: [8, 16, 32, 64] } as const;
const titles = { batch: "images in a batch", width: "channels of the first level", size: "height and width, pixels" };
const all: Series[] = [];
// Once unmeasured: the engine compiles.
await measure(shape({}));
for (const [axis, values] of Object.entries(axes)) {
  const points: Series["points"][number][] = [];
  /** What became of time and memory between two of them. */
  const grown = (from = points[0], to = points.at(-1)) =>
    from && to && from !== to
      ? `time ${(to.seconds / from.seconds).toFixed(1)}, memory ${(to.megabytes / from.megabytes).toFixed(1)} times that of ${from.x}`
      : "";
  for (const x of values) {
    const { seconds, megabytes } = await measure(shape({ [axis]: x }));
    points.push({ x, seconds, megabytes });
    console.log(
      `${axis.padEnd(6)} ${String(x).padStart(4)} ${seconds.toFixed(2).padStart(8)} s ${megabytes.toFixed(0).padStart(6)} MB  ${grown(points.at(-2))}`,
    );
  }
  console.log(`${axis} in all: ${grown()}`);
  all.push({ axis: titles[axis as keyof typeof axes], points });
}
const [file] = process.argv.slice(2);
if (file !== undefined) await writeFileAtomic(file, plotSeries(all));
