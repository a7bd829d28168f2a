/**
 * `node --import ./scripts/run-typescript.mjs file.ts` runs TypeScript that imports "sid-lsg" as a user does:
 * from dist, by the package's exports. Unlike the tsx command it leaves Ctrl-C to the program.
 */
import { fileURLToPath } from "node:url";

process.env["TSX_TSCONFIG_PATH"] ??= fileURLToPath(new URL("../tsconfig.base.json", import.meta.url));
await import("tsx");
