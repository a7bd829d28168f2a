import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { referenceSidebars } from "../../scripts/site/reference";

const { exports } = JSON.parse(readFileSync("package.json", "utf8"));
const modules = Object.keys(exports)
  .filter((path) => path !== "./package.json")
  .map((path) => path.replace(".", "sid-lsg"));

describe("the reference that TypeDoc writes", () => {
  let folder = "";
  const page = (path: string) => readFileSync(join(folder, path), "utf8");
  const pages = () => readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".md"));

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "sid-lsg-reference-"));
    const navigation = ["--navigationJson", join(folder, "navigation.json")];
    execFileSync("node_modules/.bin/typedoc", ["--out", folder, ...navigation], { stdio: "ignore" });
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test.each(modules)("%s has a page that says what it is, and its symbols in categories", (name) => {
    const text = page(`${name}/index.md`);
    const [, heading, what = ""] = /^# (.*)\n([\s\S]*?)^## /m.exec(text) ?? [];
    expect(heading).toBe(name);
    expect(what.replace(/\s+/g, " ").trim().length).toBeGreaterThan(40);
    const titles = [...text.matchAll(/^## (.*)$/gm)].map(([, title]) => title);
    expect(titles.length).toBeGreaterThan(0);
    for (const kind of ["Functions", "Interfaces", "Type Aliases", "References", "Other"])
      expect(titles).not.toContain(kind);
  });

  test("a symbol is on the page of its own module; the root has what all modules share, and refers to the rest", () => {
    for (const path of [
      "sid-lsg/losses/functions/sidLoss.md",
      "sid-lsg/train/functions/distill.md",
      "sid-lsg/models/sd/functions/vae.md",
      "sid-lsg/schedules/functions/ddpmSchedule.md",
      "sid-lsg/models/interfaces/ScoreModel.md",
      "sid-lsg/classes/SidError.md",
    ])
      expect(existsSync(join(folder, path)), path).toBe(true);
    expect(
      pages().filter((path) => /^sid-lsg\/[\w-]+\/\w+\.md$/.test(path) && !path.endsWith("index.md")).length,
    ).toBeLessThan(30);
    expect(page("sid-lsg/index.md")).toContain("(losses/functions/sidLoss.md)");
  });

  test("the modules come in the order of the layers, the root last, each with a sidebar of its own", () => {
    const listed = [...page("index.md").matchAll(/\]\(([^)]+)\/index\.md\)/g)].map(([, name]) => name);
    expect(listed.at(-1)).toBe("sid-lsg");
    expect(listed[0]).toBe("sid-lsg/schedules");
    const sidebars = referenceSidebars(join(folder, "navigation.json"));
    expect(Object.keys(sidebars)).toEqual(["/api/", ...listed.map((name) => `/api/${name}/`)]);
    expect(JSON.stringify(sidebars["/api/sid-lsg/losses/"])).toContain("/api/sid-lsg/losses/functions/sidLoss");
  });

  test("formulas are as the comments have them, and no alias is spelt out", () => {
    expect(page("sid-lsg/losses/functions/sidLoss.md")).toContain("\n    L = 1/B Σ_samples ω · Σ δ ⊙");
    for (const path of pages()) expect(page(path), path).not.toContain("NonNullable");
  });
});
