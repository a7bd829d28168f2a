/** Writes the generator of the last `npm start` in eight bits per weight, as the page loads it; see README.md. */
import { fileURLToPath } from "node:url";
import { readComponent, writeSafetensors } from "sid-lsg/io";
import { projectPath, shown } from "../common/paths";
import { outputs } from "../text-to-image/paths";
import { toEightBits } from "./eight-bit";

const { weights } = await readComponent(outputs(projectPath("runs/quickstart")).generator, "unet");
const path = fileURLToPath(new URL("public/generator.safetensors", import.meta.url));
await writeSafetensors(path, toEightBits(weights), { format: "pt" });
console.log(`Wrote ${shown(path)}.`);
