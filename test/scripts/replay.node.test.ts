import { cp, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memory } from "@tensorflow/tfjs-core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Figure } from "../../scripts/replay/compare";
import { main } from "../../scripts/replay/main";

const recorded = "test/golden/sd15-lsg1.5";
let copy = "";

beforeEach(async () => {
  copy = await mkdtemp(join(tmpdir(), "sid-replay-"));
  await cp(recorded, copy, { recursive: true });
});
afterEach(() => rm(copy, { recursive: true }));

interface CaseJson {
  iterations: number;
  readonly unet: Record<string, unknown>;
  readonly hyperparameters: Record<string, unknown>;
}

/** Changes the copy's case.json. */
async function edit(change: (json: CaseJson) => void): Promise<void> {
  const path = join(copy, "case.json");
  const json = JSON.parse(await readFile(path, "utf8")) as CaseJson;
  change(json);
  await writeFile(path, JSON.stringify(json));
}

const figuresOf = (stdout: string) => (JSON.parse(stdout) as { figures: Record<string, Figure> }).figures;

describe("replay", () => {
  // v-prediction: three levels, several head counts, linear projections, κ = (1, 1.5, 0), α = 1.2, two rounds, loss scales.
  test.each(["sd15-lsg1.5", "v-prediction"])("the recorded run %s passes, every figure of it", async (name) => {
    const { exitCode, stdout, stderr } = await main([`test/golden/${name}`]);
    expect(stderr).toBe("");
    const figures = figuresOf(stdout);
    expect(Object.keys(figures).length).toBe(12);
    for (const [name, { pass, value, limit }] of Object.entries(figures)) {
      expect(pass, `${name}: ${value} over ${limit}`).toBe(true);
      expect(value > 0).toBe(true);
    }
    expect(exitCode).toBe(0);
    expect(memory().numTensors).toBe(0);
  });

  test("another setting fails, in the figures that it touches", async () => {
    await edit((json) => {
      Object.assign(json.hyperparameters, { alpha: 1.01, ema_rampup_ratio: 0.2 });
      json.iterations = 1;
    });
    const { exitCode, stdout } = await main([copy]);
    expect(exitCode).toBe(1);
    const figures = figuresOf(stdout);
    expect(figures["fakeGradients"]?.pass).toBe(true);
    expect(figures["generated"]?.pass).toBe(true);
    expect(figures["generatorGradients"]?.pass).toBe(false);
    expect(figures["generatorLosses"]?.pass).toBe(false);
  });

  test("what cannot be replayed is named, with exit code 2", async () => {
    const stderr = async (...args: string[]) => {
      const outcome = await main(args);
      expect(outcome.exitCode).toBe(2);
      expect(outcome.stdout).toBe("");
      return outcome.stderr;
    };
    expect(await stderr()).toMatch(/usage/);
    expect(await stderr(copy, "--nonsense")).toMatch(/usage/);
    expect(await stderr(copy, "--backend", "abacus")).toMatch(/^invalid-argument.*abacus/);
    expect(await stderr(join(copy, "nowhere"))).toMatch(/^io.*case\.json/);
    await edit((json) => void delete json.hyperparameters["alpha"]);
    expect(await stderr(copy)).toMatch(/alpha must be a number/);
    await edit((json) => {
      Object.assign(json.hyperparameters, { alpha: 1 });
      Object.assign(json.unet, { dual_cross_attention: true });
    });
    expect(await stderr(copy)).toMatch(/^unsupported.*dual_cross_attention/);
    await edit((json) => {
      Object.assign(json.unet, { dual_cross_attention: false });
      Object.assign(json.hyperparameters, { accumulation_rounds: 2 });
    });
    expect(await stderr(copy)).toMatch(/^missing-weight.*it0\.fake\.round1/);
    await truncate(join(copy, "inputs.safetensors"), 1000);
    expect(await stderr(copy)).toMatch(/^corrupt-file.*inputs/);
    await writeFile(join(copy, "case.json"), "{");
    expect(await stderr(copy)).toMatch(/^corrupt-file.*case\.json/);
    expect(memory().numTensors).toBe(0);
  });
});
