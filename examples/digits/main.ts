/** `npm run example:digits`: a smaller one-step text-to-image generator, distilled from captions alone. See README.md. */
import { runJob } from "../text-to-image/job";
import { world } from "./world";

await runJob(world);
