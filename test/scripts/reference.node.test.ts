import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { setFormula } from "../../scripts/typedoc/formula.mjs";

const { exports } = JSON.parse(readFileSync("package.json", "utf8"));
const modules = Object.keys(exports)
  .filter((path) => path !== "./package.json")
  .map((path) => path.replace(".", "sid-lsg"));

describe("the reference that TypeDoc writes", () => {
  let folder = "";
  const page = (path: string) => readFileSync(join(folder, path), "utf8");
  const pages = (under: string) => readdirSync(join(folder, under)).map((name) => `${under}/${name}`);
  const text = (html: string) => html.replace(/<[^>]*>/g, "").replace(/\s+/g, " ");

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "sid-lsg-reference-"));
    execFileSync("node_modules/.bin/typedoc", ["--out", folder], { stdio: "ignore" });
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test.each(modules)("%s has a page that says what it is, and its symbols in categories", (name) => {
    const html = page(`modules/${name.replaceAll("/", "_")}.html`);
    expect(html).toContain(`<h1>Module ${name}</h1>`);
    expect(text(html.split("</h1>")[1]?.split("<details")[0] ?? "").trim().length).toBeGreaterThan(40);
    const titles = [...html.matchAll(/<h2[^>]*>([^<]*)</g)].map(([, title]) => title);
    expect(titles.length).toBeGreaterThan(0);
    for (const kind of ["Functions", "Interfaces", "Type Aliases", "References", "Other"])
      expect(titles).not.toContain(kind);
  });

  test("a symbol is on the page of its own module; the root has what all modules share, and refers to the rest", () => {
    for (const path of [
      "functions/sid-lsg_losses.sidLoss.html",
      "functions/sid-lsg_train.distill.html",
      "functions/sid-lsg_models_sd.vae.html",
      "functions/sid-lsg_schedules.ddpmSchedule.html",
      "interfaces/sid-lsg_models.ScoreModel.html",
      "classes/sid-lsg.SidError.html",
    ])
      expect(existsSync(join(folder, path)), path).toBe(true);
    const inRoot = ["functions", "interfaces", "types"].flatMap(pages).filter((path) => path.includes("/sid-lsg."));
    expect(inRoot.length).toBeLessThan(30);
    expect(page("modules/sid-lsg.html")).toContain("functions/sid-lsg_losses.sidLoss.html");
  });

  test("the modules come in the order of the layers, the root last", () => {
    const listed = [...page("modules.html").matchAll(/href="modules\/([^"]+)\.html"/g)].map(([, name]) => name);
    expect([...new Set(listed)].at(-1)).toBe("sid-lsg");
    expect(listed[0]).toBe("sid-lsg_schedules");
  });

  test("the documents are in it under their titles, and link to each other there", () => {
    const guide = page("documents/Guide.html");
    expect(guide).toContain("<h2");
    expect(guide).toMatch(/href="(\.\.\/documents\/)?What_training_costs\.html"/);
    expect(page("index.html")).toContain('href="documents/Guide.html"');
  });

  test("formulas are set, and no alias is spelt out", () => {
    expect(page("functions/sid-lsg_losses.sidLoss.html")).toContain(
      '<div class="formula"><span><i>L</i> = 1/<i>B</i> Σ<sub>samples</sub>',
    );
    for (const path of ["functions", "interfaces", "types"].flatMap(pages))
      expect(page(path), path).not.toContain("NonNullable");
  });
});

test("a formula gets its subscripts, exponents and slanted letters", () => {
  expect(setFormula("x_t")).toBe("<i>x</i><sub><i>t</i></sub>");
  expect(setFormula("f_φ,κ4(x_t, t)")).toBe(
    "<i>f</i><sub><i>φ</i>,<i>κ</i>4</sub>(<i>x</i><sub><i>t</i></sub>, <i>t</i>)",
  );
  expect(setFormula("x_{i+1}")).toBe("<i>x</i><sub><i>i</i>+1</sub>");
  expect(setFormula("J_φᵀ·g_φ")).toBe("<i>J</i><sub><i>φ</i></sub>ᵀ·<i>g</i><sub><i>φ</i></sub>");
  expect(setFormula("a^(1/ρ) + Σ_a^½")).toBe("<i>a</i><sup>1/<i>ρ</i></sup> + Σ<sub><i>a</i></sub><sup>½</sup>");
  expect(setFormula("2^(a / min(b, c))·∇_θ")).toBe(
    "2<sup><i>a</i> / min(<i>b</i>, <i>c</i>)</sup>·∇<sub><i>θ</i></sub>",
  );
  expect(setFormula("a = b,   b = c")).toBe("<span><i>a</i> = <i>b</i>,</span> <span><i>b</i> = <i>c</i></span>");
  expect(setFormula("sidLoss(x) &lt; 1")).toBe("sidLoss(<i>x</i>) &lt; 1");
});
