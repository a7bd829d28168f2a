// Makes the landing page's picture of the README's, in a Chromium: its name holds a checksum of what it was made of, which the build
// compares.
//
//     node scripts/site/picture.mjs
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { chromium } from "playwright-core";
import { landingPicture, pictureName } from "./picture-name.mjs";

const folder = "docs/.vitepress/pages";
const browser = await chromium.launch({
  executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});
const page = await browser.newPage();
const url = await page.evaluate(
  async (source) => {
    const picture = await createImageBitmap(await (await fetch(source)).blob());
    const canvas = document.createElement("canvas");
    canvas.width = 960;
    canvas.height = Math.round((canvas.width * picture.height) / picture.width);
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(picture, 0, 0, canvas.width, canvas.height);
    return canvas.toDataURL("image/webp", 0.75);
  },
  `data:image/png;base64,${readFileSync(landingPicture).toString("base64")}`,
);
await browser.close();
for (const name of readdirSync(folder)) if (name.endsWith(".webp")) rmSync(`${folder}/${name}`);
writeFileSync(`${folder}/${pictureName()}`, Buffer.from(url.split(",")[1], "base64"));
console.log(`${folder}/${pictureName()}: name it in ${folder}/index.md`);
