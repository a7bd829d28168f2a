import { readFileSync } from "node:fs";
import { join } from "node:path";
import { decode } from "fast-png";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { prepareScripts } from "../support/sd-scripts";

/** Slow, so that only `SID_BACKENDS=cpu,webgpu npm run test:trainers` runs it, on the backends that it names. */
const backends = process.env["SID_BACKENDS"]?.split(",") ?? [];

describe.skipIf(backends.length === 0)("a Stable Diffusion is distilled and drawn with as on wasm", () => {
  let scripts: Awaited<ReturnType<typeof prepareScripts>>;
  let reference: number[];
  beforeAll(async () => {
    scripts = await prepareScripts("trainers");
    await trained("wasm");
    reference = Array.from(await drawn("wasm"));
  });
  afterAll(() => scripts.remove());

  /** The log of a run of two iterations. */
  async function trained(backend: string): Promise<Record<string, number>[]> {
    const outcome = await scripts.distill(backend, [
      "--iterations",
      "2",
      "--batch",
      "1",
      "--samples",
      "1",
      "--backend",
      backend,
    ]);
    expect(outcome, outcome.text).toMatchObject({ code: 0 });
    return log(backend);
  }

  const log = (backend: string) =>
    readFileSync(join(scripts.folder, backend, "log.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, number>);

  /** The picture that the generator trained on wasm draws on a backend. */
  async function drawn(backend: string): Promise<ArrayLike<number>> {
    const [model, out] = [join(scripts.folder, "wasm", "generator"), join(scripts.folder, `pictures-${backend}`)];
    const options = ["--model", model, "--prompt", "a red fox", "--out", out, "--backend", backend];
    const outcome = await scripts.run("generate", options);
    expect(outcome, outcome.text).toMatchObject({ code: 0 });
    return decode(readFileSync(join(out, "grid.png"))).data;
  }

  test.each(backends)("%s", { timeout: 900_000 }, async (backend) => {
    const [ours, wanted] = [await trained(backend), log("wasm")];
    expect(ours.length).toBe(2);
    for (const figure of ["fakeLoss", "generatorLoss", "deltaSquared"])
      ours.forEach((line, i) => {
        const there = wanted[i]?.[figure] as number;
        expect(Math.abs((line[figure] as number) - there), figure).toBeLessThan(1e-3 * Math.abs(there));
      });

    const here = Array.from(await drawn(backend));
    expect(here.length).toBe(reference.length);
    expect(here.filter((value, i) => Math.abs(value - (reference[i] as number)) > 1).length).toBe(0);
    expect(new Set(here).size).toBeGreaterThan(10);
  });
});
