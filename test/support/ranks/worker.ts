/** One rank: waits for runs. */
import { parentPort } from "node:worker_threads";
import { type Order, runProgram } from "./program";

parentPort?.on("message", async (order: Order) => {
  parentPort?.postMessage(await runProgram(order));
});
