import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { nameOf, openHistory, type SavedHistory } from "../../../examples/text-to-image/history";

describe("the history of a run", () => {
  const entry = (iteration: number) => ({
    iteration,
    nimg: 32 * iteration,
    fakeLoss: 1,
    generatorLoss: -1,
    deltaSquared: iteration - 1,
    fakeGradientNorm: 1,
    generatorGradientNorm: 1,
    droppedSamples: 0,
    cleanedElements: 0,
    emaBeta: 0.5,
    communicationSeconds: 0,
    seconds: 1,
  });

  const files = () => {
    const folder = mkdtempSync(join(tmpdir(), "sid-lsg-history-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    return { history: join(folder, "history.json"), curves: join(folder, "curves.svg") };
  };
  const estimated = (value: number) => ({ value, standardError: 0.1 });
  const parts = { lowerBound: estimated(1.25), naive: estimated(1.5), lag: estimated(-0.25) };
  const run = { seed: 1, kappa: 1.15, alpha: 1, guidance: "lsg", captions: 128 } as const;
  const estimate = (value: number) => ({ value, low: value - 1, high: value + 1 });
  const look = (iteration: number, distance: number) => ({
    iteration,
    allRight: estimate(0.5),
    frechetDistance: estimate(distance),
  });
  const real = estimate(42);
  const read = (path: string): SavedHistory => JSON.parse(readFileSync(path, "utf8"));

  test("goes on where the resumed run does, and starts afresh otherwise", async () => {
    const paths = files();
    const first = openHistory(paths, { ...run, resume: true }, real);
    expect(first.last).toBeUndefined();
    first.look(look(0, 400));
    for (const i of [1, 2, 3]) first.add(entry(i));
    first.look(look(3, 60));
    await first.save();
    // The checkpoint of iteration 2 was the last: iteration 3 comes again.
    const resumed = openHistory(paths, { ...run, resume: true }, real);
    expect(resumed.last?.frechetDistance.value).toBe(60);
    resumed.add({ ...entry(3), fakeLoss: 7 });
    resumed.look(look(3, 50));
    await resumed.save();
    const { metrics, looks } = read(paths.history);
    expect(metrics.map(({ iteration, fakeLoss }) => [iteration, fakeLoss])).toEqual([
      [1, 1],
      [2, 1],
      [3, 7],
    ]);
    expect(looks).toEqual([look(0, 400), look(3, 50)]);
    const curves = readFileSync(paths.curves, "utf8");
    expect(curves).not.toMatch(/NaN|Infinity/);
    expect(curves).toContain("on 128 captions");
    expect(curves).toContain("as many real pictures");
    expect(curves.match(/no measure of progress/g)).toHaveLength(3);
    const afresh = openHistory(paths, { ...run, resume: false }, real);
    afresh.add(entry(1));
    await afresh.save();
    expect(read(paths.history)).toEqual({ run: nameOf(run), metrics: [entry(1)], looks: [] });
  });

  test("keeps of the gauge what its curve shows, not each level of each iteration", async () => {
    const paths = files();
    const history = openHistory(paths, { ...run, resume: false }, real);
    const levels = Array.from({ length: 40 }, (_, i) => ({ from: i / 2, to: (i + 1) / 2, ...parts }));
    history.add(entry(1));
    for (const i of [2, 3]) history.add({ ...entry(i), divergence: { ...parts, levels, samples: 64 } });
    await history.save();
    const { metrics } = read(paths.history);
    expect(metrics.map(({ divergence }) => divergence)).toEqual([undefined, parts, parts]);
    const curves = readFileSync(paths.curves, "utf8");
    expect(curves).toContain("KL(generator ‖ teacher), nats");
    expect(curves.match(/<polygon/g)).toHaveLength(1); // the interval
  });

  test.each([
    ["cut off", (text: string) => text.slice(0, -20)],
    ["without its figures", () => "{}"],
    ["with entries of nothing", (text: string) => text.replace(/"metrics":\[.*?\]/, '"metrics":[null]')],
    ["of another seed", (text: string) => text.replace('\\"seed\\":1', '\\"seed\\":2')],
    ["of other captions", (text: string) => text.replace('\\"captions\\":128', '\\"captions\\":512')],
    ["of another guidance", (text: string) => text.replace('\\"lsg\\"', '\\"teacher\\"')],
    ["of another scale", (text: string) => text.replace('\\"kappa\\":1.15', '\\"kappa\\":1.5')],
  ])("that is %s is ignored with a warning", async (_, spoil) => {
    const paths = files();
    const first = openHistory(paths, { ...run, resume: false }, real);
    first.add(entry(1));
    await first.save();
    writeFileSync(paths.history, spoil(readFileSync(paths.history, "utf8")));
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    const resumed = openHistory(paths, { ...run, resume: true }, real);
    expect(warn.mock.calls.join()).toContain(`Ignored ${paths.history}`);
    warn.mockRestore();
    resumed.add(entry(2));
    await resumed.save();
    expect(read(paths.history).metrics).toEqual([entry(2)]);
  });
});
