/** A program: opens a file of prompts, draws a batch, and prints what that took. */
import { openPrompts } from "../../examples/sd/prompts/open";

const [path, captionKey] = process.argv.slice(2) as [string, string | undefined];
const prompts = await openPrompts(path, captionKey);
const drawn = Array.from({ length: 512 }, (_, i) => prompts.get(Math.floor((i * prompts.length) / 512)));
const last = prompts.get(prompts.length - 1);
const megabytes = process.resourceUsage().maxRSS / 1024;
console.log(
  JSON.stringify({ length: prompts.length, first: drawn[0], last, seconds: performance.now() / 1000, megabytes }),
);
