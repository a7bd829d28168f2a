/** A program: opens a folder of pictures, reads each once, and prints what that took. */
import { openImageFolder } from "../../examples/sd/images/open";

const folder = await openImageFolder(process.argv[2] as string, { onWarning: () => {} });
let sum = 0;
for (let i = 0; i < folder.length; i++) sum += folder.picture(i).data[0] as number;
const megabytes = process.resourceUsage().maxRSS / 1024;
console.log(JSON.stringify({ length: folder.length, sum, megabytes }));
