/** Writes the generator of the last `npm start` in half precision, as the page loads it; see README.md. */
import { fileURLToPath } from "node:url";
import type { HostTensor } from "sid-lsg";
import { readComponent, writeSafetensors } from "sid-lsg/io";
import { projectPath, shown } from "../common/paths";
import { defaults } from "../quickstart/options";
import { outputs } from "../quickstart/paths";

const { weights } = await readComponent(outputs(projectPath(defaults.out)).generator, "unet");
const halves = [...weights].map(([name, tensor]): [string, HostTensor] => [name, { ...tensor, dtype: "F16" }]);
const path = fileURLToPath(new URL("public/generator.safetensors", import.meta.url));
await writeSafetensors(path, new Map(halves), { format: "pt" });
console.log(`Wrote ${shown(path)}.`);
