// What a user does on the page of examples/browser and what it takes: by mouse, by keyboard and on a phone, in light and
// dark, with a link; and how much it downloads.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { draw, drawn, noteReports } from "./example-actions.mjs";
import { startPage } from "./example-page.mjs";
import { assertSame, distance, generatorFile, nodePictures, teacherFolder } from "./example-reference.mjs";

const one = "/plain/?backend=wasm&pictures=1";
let pages;
let open;

before(async () => {
  pages = await startPage("browser-controls-test");
  open = pages.open;
});
after(() => pages?.close());

/** What the buttons say, aspect by aspect; undefined where none is chosen. */
const chosen = (page) =>
  page.evaluate(() =>
    ["object", "colour", "size"].map((name) => document.querySelector(`[name=${name}]:checked`)?.value),
  );
const caption = (page) => page.inputValue("#caption");

test("the page downloads 3 MB of weights at most, and nothing from elsewhere", async () => {
  const asked = [];
  const page = await open(one, (page) => page.on("request", (request) => asked.push(request)));
  await drawn(page);
  const urls = asked.map((request) => new URL(request.url())).filter(({ protocol }) => protocol !== "data:");
  assert.deepEqual([...new Set(urls.map(({ origin }) => origin))], [new URL(page.url()).origin]);
  const weights = asked.filter((request) => /\.safetensors$/.test(request.url()));
  const sizes = await Promise.all(weights.map(async (request) => (await request.sizes()).responseBodySize));
  const total = sizes.reduce((a, b) => a + b, 0);
  assert.ok(weights.length >= 3 && total > 1e6 && total <= 3e6, `${weights.length} answers of ${total} bytes`);
  await page.close();
});

test("weights in eight bits draw what weights in full precision draw", async () => {
  const small = await nodePictures(join(pages.built, "teacher"), generatorFile);
  const full = await nodePictures(teacherFolder, generatorFile);
  for (const [text, seed] of [
    ["a blue fox", 0],
    ["a small red heart", 1],
    ["a panda", 2],
  ]) {
    const [a, b] = [await small(text, seed), await full(text, seed)];
    for (const artist of ["generator", "teacher"]) {
      const squares = a[artist].map((byte, i) => (byte - b[artist][i]) ** 2);
      const rms = Math.sqrt(squares.reduce((sum, x) => sum + x, 0) / squares.length);
      assert.ok(rms < 4 && distance(a[artist], b[artist]) < 48, `${artist}: ${rms}, ${distance(a[artist], b[artist])}`);
    }
  }
});

test("the buttons write the caption and draw it; typing a caption presses them", async () => {
  const page = await open(one);
  await drawn(page);
  assert.deepEqual(await chosen(page), ["fox", "blue", "big"]);
  for (const [name, text] of [
    ["umbrella", "a blue umbrella"],
    ["small", "a small blue umbrella"],
    ["own", "a small umbrella"],
    ["big", "an umbrella"],
    ["orange", "an orange umbrella"],
    ["unicorn", "an orange unicorn"],
    ["own", "a unicorn"],
  ]) {
    await page.check(`[value=${name}]`);
    assert.equal(await caption(page), text);
    await drawn(page);
    assert.match(await page.getAttribute("#generator", "aria-label"), new RegExp(`of ${text}, drawn`));
  }
  const byButtons = await drawn(page);
  await page.fill("#caption", "picture of a tiny azure panda bear");
  assert.deepEqual(await chosen(page), ["panda", "blue", "small"]);
  await page.fill("#caption", "a blue");
  assert.deepEqual(await chosen(page), [undefined, undefined, undefined]);
  assert.match(await page.textContent("#note"), /none of the objects/);
  await page.check("[value=star]");
  assert.equal(await caption(page), "a small blue star");
  assert.deepEqual(await draw(page, "a unicorn", 0), byButtons);
  assert.equal(await page.locator("[name=object]").count(), 24);
  assert.equal(await page.locator("[name=colour]").count(), 8);
  await page.close();
});

test("pairs that training never saw are marked, for eyes and for screen readers", async () => {
  const page = await open(`${one}#caption=a+pink+fox`);
  await drawn(page);
  assert.match(await page.textContent("#note"), /“pink fox” was never seen in training/);
  assert.ok(await page.getByRole("radio", { name: /^pink, never seen in training$/ }).isChecked());
  assert.equal(await page.locator("#colour [data-unseen]").count(), 1);
  assert.equal(await page.locator("#size [data-unseen]").count(), 0);
  await page.check("[value=red]");
  assert.equal(await page.textContent("#note"), "");
  assert.ok(await page.getByRole("radio", { name: /^red$/ }).isChecked());
  await page.close();
});

test("the last of many quick orders is drawn, and those before it are given up", async () => {
  const page = await open(one, (page) => page.addInitScript(noteReports));
  await drawn(page);
  const texts = ["cat", "whale", "moon", "robot", "ghost"];
  await page.evaluate((values) => {
    for (const value of values) document.querySelector(`[value=${value}]`).click();
  }, texts);
  assert.deepEqual(await drawn(page), await draw(page, "a blue ghost", 0));
  const begun = await page.evaluate(() => new Set(globalThis.reports.flatMap(({ id }) => id ?? [])).size);
  assert.ok(begun < 2 + texts.length, `${begun} orders were begun`);
  await page.close();
});

test("the page is used by keyboard alone, and shows where the focus is", async () => {
  const page = await open(one);
  await drawn(page);
  const focus = () =>
    page.evaluate(() => {
      const { activeElement: at } = document;
      const { outlineStyle, outlineWidth } = getComputedStyle(at.nextElementSibling?.closest(".face") ?? at);
      return [at.id || at.name || at.textContent.trim(), outlineStyle === "none" ? 0 : Number.parseFloat(outlineWidth)];
    });
  const seen = [];
  await page.focus("#caption");
  for (let i = 0; i < 13; i++) {
    const [name, outline] = await focus();
    assert.ok(outline >= 2, `${name} does not show its focus`);
    seen.push(name);
    await page.keyboard.press("Tab");
  }
  const order = ["caption", "seed", "Draw", "next", "object", "colour", "size"];
  assert.deepEqual(seen.slice(0, order.length), order);
  await page.focus("[name=object]:checked");
  await page.keyboard.press("ArrowRight");
  assert.deepEqual([await caption(page), (await focus())[0]], ["a blue panda", "object"]);
  await page.keyboard.press("Tab");
  await page.keyboard.press("ArrowLeft");
  assert.equal(await caption(page), "a green panda");
  await page.keyboard.press("Tab");
  await page.keyboard.press("ArrowDown");
  assert.equal(await caption(page), "a small green panda");
  const pictures = await drawn(page);
  await page.focus("#caption");
  await page.keyboard.press("Control+A");
  await page.keyboard.type("a small green panda");
  await page.keyboard.press("Enter");
  assert.deepEqual(await drawn(page), pictures);
  await page.close();
});

test("a link holds caption and seed and draws the same pictures", async () => {
  const page = await open("/plain/?backend=wasm&pictures=2#caption=a+small+red+heart&seed=5");
  const pictures = await drawn(page);
  assert.deepEqual([await caption(page), await page.inputValue("#seed")], ["a small red heart", "5"]);
  await page.check("[value=star]");
  await page.click("#next");
  await drawn(page);
  assert.equal(new URL(page.url()).hash, "#caption=a+small+red+star&seed=6");
  const to = new URL(await page.getAttribute("nav a:nth-child(4)", "href"));
  assert.equal(to.search + to.hash, "?backend=wasm&pictures=2#caption=a+small+red+star&seed=6");
  const star = await drawn(page);
  const same = await open(page.url());
  assertSame(await drawn(same), star, 0);
  await same.evaluate(() => {
    location.hash = "#caption=a+small+red+heart&seed=5";
  });
  await same.waitForFunction(() => document.getElementById("status").textContent.startsWith("Drawing"));
  assertSame(await drawn(same), pictures, 0);
  for (const each of [page, same]) await each.close();
});

test("a link to what cannot be drawn ends in words", async () => {
  for (const [hash, words] of [
    ["caption=a+purple+zebra", /does not know "zebra"/],
    ["caption=", /prompt is empty/],
    ["seed=many", /seed .*NaN/],
  ]) {
    const page = await open(`${one}#${hash}`);
    await page.waitForFunction(() => document.getElementById("status").textContent === "Nothing was drawn.");
    assert.match(await page.textContent("[role=alert]"), words);
    await draw(page, "a blue fox", 0);
    await page.close();
  }
});

for (const width of [320, 360, 830, 1280])
  test(`at ${width} pixels nothing is cut off or too small for a finger`, async () => {
    const page = await open("/plain/?backend=wasm", undefined, { viewport: { width, height: 740 } });
    await drawn(page);
    for (const summary of await page.locator("summary").all()) await summary.click();
    const seen = await page.evaluate(() => {
      const targets = [...document.querySelectorAll("button, label:has(input), summary, nav a, #caption, #seed")];
      const boxes = targets.map((element) => [element, element.getBoundingClientRect()]);
      return {
        wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
        small: boxes.filter(([, { width, height }]) => width < 40 || height < 40).map(([at]) => at.outerHTML),
        outside: boxes.filter(([, { left, right }]) => left < 0 || right > innerWidth).map(([at]) => at.outerHTML),
        cut: [...document.querySelectorAll(".face .name:not(:empty)")]
          .filter((at) => getComputedStyle(at).position !== "absolute")
          .filter((at) => at.getBoundingClientRect().right > at.closest("label").getBoundingClientRect().right)
          .map((at) => at.textContent),
        sides: [...document.querySelectorAll("canvas")].map((at) => at.getBoundingClientRect().width),
        rendering: getComputedStyle(document.querySelector("canvas")).imageRendering,
      };
    });
    const { sides, ...rest } = seen;
    assert.deepEqual(rest, { wide: 0, small: [], outside: [], cut: [], rendering: "pixelated" });
    assert.ok(sides.length === 16 && sides.every((side) => side >= 48 && side % 24 === 0), sides.join());
    await page.close();
  });

for (const colorScheme of ["light", "dark"])
  test(`text and borders stand out by WCAG AA in ${colorScheme} colours`, async () => {
    const page = await open(`${one}#caption=a+pink+fox`, undefined, { colorScheme });
    await drawn(page);
    for (const summary of await page.locator("summary").all()) await summary.click();
    await page.fill("#caption", "a purple zebra");
    await page.click("[type=submit]");
    await page.waitForFunction(() => document.querySelector("[role=alert]").textContent !== "");
    await page.waitForTimeout(400); // until colours no longer fade
    const { texts, weak } = await page.evaluate(() => {
      const parse = (colour) => (colour.match(/[\d.]+/g) ?? []).map(Number);
      const light = (colour) => {
        const [r, g, b] = parse(colour).map((x) =>
          x / 255 <= 0.04045 ? x / 3294.6 : ((x / 255 + 0.055) / 1.055) ** 2.4,
        );
        return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
      };
      const behind = (at) => {
        const colour = at ? getComputedStyle(at).backgroundColor : "rgb(255, 255, 255)";
        return (parse(colour)[3] ?? 1) === 0 ? behind(at.parentElement) : colour;
      };
      const ratio = (a, b) => Math.max(light(a), light(b)) / Math.min(light(a), light(b));
      const shown = [...document.querySelectorAll("body *")].filter(
        (at) => at.checkVisibility() && !at.closest(".hidden"),
      );
      const texts = shown.filter((at) => at.matches("input") || [...at.childNodes].some((n) => n.data?.trim()));
      const weakTexts = texts.map((at) => [at, ratio(getComputedStyle(at).color, behind(at)), 4.5]);
      const edged = shown.filter((at) => at.matches("#caption, #seed, button, :checked + .face"));
      const weakEdges = edged.map((at) => [
        at,
        Math.max(
          ratio(getComputedStyle(at).borderTopColor, behind(at.parentElement)),
          ratio(behind(at), behind(at.parentElement)),
        ),
        3,
      ]);
      return {
        texts: texts.length,
        weak: [...weakTexts, ...weakEdges]
          .filter(([, r, least]) => !(r >= least))
          .map(([at, r]) => `${at.outerHTML}: ${r}`),
      };
    });
    assert.deepEqual(weak, []);
    assert.ok(texts > 60, `only ${texts} texts were looked at`);
    await page.close();
  });

test("those who want no motion see finished pictures only", async () => {
  const path = "/plain/?backend=cpu&pictures=1";
  for (const [reducedMotion, moves] of [
    ["no-preference", true],
    ["reduce", false],
  ]) {
    const page = await open(path, undefined, { reducedMotion });
    await page.waitForFunction(() => document.getElementById("teacher-progress").value > 1);
    const [dimmed, time] = await page.evaluate(() => [
      document.querySelector("#teacher[data-of]") !== null,
      document.getElementById("teacher-time").textContent,
    ]);
    assert.match(time, /of 50$/);
    assert.equal(dimmed, !moves);
    const transition = await page.evaluate(() => getComputedStyle(document.querySelector(".face")).transitionDuration);
    assert.equal(transition.startsWith("0s"), !moves);
    await page.close();
  }
});
