/** `npm run sd:distill` and `sd:evaluate` under a launcher of MPI, where there is one: see `.ci/mpi`. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { prepareLibrary } from "../../support/scripts";

describe.skipIf(!process.env["SID_MPI"])("distilling on ranks", () => {
  let library: ReturnType<typeof prepareLibrary>;
  let folder = "";
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "sid-sd-ranks-"));
    library = prepareLibrary("sd-ranks");
    writeFileSync(join(folder, "prompts.txt"), "a red cube\na blue ball\na cat\n");
    expect(await library.start("sd/make-tiny-model", ["--out", join(folder, "model")]).ended).toMatchObject({
      code: 0,
    });
  });
  afterAll(() => {
    library.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  const run = (script: string, name: string, size: number, args: readonly string[]) => {
    const options = [
      ...["--model", join(folder, "model"), "--prompts", join(folder, "prompts.txt"), "--out", join(folder, name)],
      ...["--resolution", "64", ...args],
    ];
    const [node = "", ...command] = library.command(script, [
      ...options,
      ...(size > 1 ? ["--distributed", "mpi"] : []),
    ]);
    const launch = ["--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", String(size), node];
    const [file, all] = size > 1 ? ["mpirun.openmpi", [...launch, ...command]] : [node, command];
    return spawnSync(file, all, { encoding: "utf8", env: library.env, timeout: 240_000 });
  };
  const distill = (name: string, size: number, args: readonly string[]) =>
    run("sd/distill", name, size, ["--batch", "6", "--micro-batch", "6", "--samples", "1", "--lr", "1e-4", ...args]);
  const lastOf = (name: string) => {
    const lines = readFileSync(join(folder, name, "log.jsonl"), "utf8")
      .trim()
      .split("\n");
    return JSON.parse(lines.at(-1) as string);
  };

  test("two ranks begin a run and three end it as one would have, and one of them speaks", () => {
    expect(distill("one", 1, ["--iterations", "4"]).status).toBe(0);
    const begun = distill("ranks", 2, ["--iterations", "2"]);
    expect(begun.stderr + begun.stdout).toMatch(/The generator is in/);
    expect(begun.status).toBe(0);
    expect(begun.stdout.match(/3 prompts, read as/g)?.length).toBe(1);
    expect(distill("ranks", 3, ["--iterations", "4", "--resume"]).status).toBe(0);
    const [one, ranks] = [lastOf("one"), lastOf("ranks")];
    for (const name of ["iteration", "nimg", "fakeLoss", "generatorLoss", "deltaSquared"] as const)
      expect(Math.abs(ranks[name] - one[name])).toBeLessThanOrEqual(1e-4 * Math.abs(one[name]));
    expect(ranks.communicationSeconds).toBeGreaterThan(0);
    expect(readdirSync(join(folder, "ranks", "samples"))).toEqual(["000000.png", "000002.png", "000004.png"]);
  });

  test("ranks share an evaluation out, and its files are those of one program", async () => {
    const clip = join(folder, "clip");
    expect(await library.start("sd/make-tiny-model", ["--clip", "--out", clip]).ended).toMatchObject({ code: 0 });
    const judges = ["--network", clip, "--clip", clip, "--first", "3"];
    expect(run("sd/evaluate", "whole", 1, judges).status).toBe(0);
    const { status, stdout, stderr } = run("sd/evaluate", "shared", 2, judges);
    expect(status, stderr).toBe(0);
    expect(stdout.match(/^This is in /gm)?.length).toBe(1);
    const files = readdirSync(join(folder, "whole"));
    expect(readdirSync(join(folder, "shared"))).toEqual([...files, "shard-1-of-2", "shard-2-of-2"].sort());
    for (const file of files)
      expect(readFileSync(join(folder, "shared", file)).equals(readFileSync(join(folder, "whole", file))), file).toBe(
        true,
      );
    expect(readdirSync(join(folder, "shared", "shard-2-of-2"))).not.toContain("run.lock");
  });

  test("a micro-batch that the ranks cannot share", () => {
    const { status, stderr } = distill("odd", 2, ["--iterations", "1", "--micro-batch", "3"]);
    expect(status).not.toBe(0);
    expect(stderr).toMatch(/--micro-batch is computed by 2 ranks together, so it must be a multiple of 2, got 3\./);
  });
});
