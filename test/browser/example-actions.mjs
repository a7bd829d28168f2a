// What the tests of examples/browser do on the page, and what they see there.
import assert from "node:assert/strict";

/** Waits until both pictures are finished, or fails with what the page says instead. */
export async function drawn(page, timeout = 60_000) {
  await page.waitForFunction(
    () => /^(Drawn|Stopped|Nothing)/.test(document.getElementById("status").textContent),
    undefined,
    { timeout },
  );
  assert.equal(await alertOf(page), "");
  return { generator: await pixels(page, "generator"), teacher: await pixels(page, "teacher") };
}

/** Draws a caption with a seed. */
export async function draw(page, caption, seed) {
  await page.fill("#caption", caption);
  await page.fill("#seed", String(seed));
  await page.click("[type=submit]");
  return drawn(page);
}

export const alertOf = (page) => page.locator("[role=alert]").textContent();

/** Waits for words in the alert. */
export async function complaint(page) {
  await page.waitForFunction(() => document.querySelector("[role=alert]").textContent !== "");
  assert.ok(await page.locator("[role=alert]").isVisible());
  return alertOf(page);
}

/** Runs in the page: keeps what its worker reports in `reports`. */
export function noteReports() {
  globalThis.reports = [];
  globalThis.Worker = class extends Worker {
    constructor(...given) {
      super(...given);
      this.addEventListener("message", ({ data }) => globalThis.reports.push(data));
    }
  };
}

/** Red, green and blue of an artist's pictures, one after another, row by row. */
function pixels(page, id) {
  return page.evaluate((id) => {
    const canvases = [...document.querySelectorAll(`#${id} canvas`)];
    return canvases.flatMap((canvas) => {
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      return [...data].filter((_, i) => i % 4 < 3);
    });
  }, id);
}
