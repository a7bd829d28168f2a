/**
 * `node --import ./scripts/run-typescript.mjs file.ts` runs TypeScript that imports "sid-lsg" as a user does:
 * from dist, by the package's exports. Unlike the tsx command it leaves Ctrl-C to the program.
 */
process.env["TSX_TSCONFIG_PATH"] ??= "tsconfig.base.json";
await import("tsx");
