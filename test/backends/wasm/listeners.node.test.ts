import { getBackend } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { useBackend } from "../../../src/backends";
import { withoutListeners } from "../../../src/backends/wasm/listeners";

const events = ["uncaughtException", "unhandledRejection"] as const;
const found = () => events.map((event) => process.rawListeners(event));

// A file of its own: one process starts the backend once.
test("on one thread the backend leaves the process's listeners as they were, and those that come meanwhile", async () => {
  const mine = (error: unknown) => console.error(error);
  const before = found();
  const started = useBackend("wasm", { threads: 1 });
  for (const event of events) process.on(event, mine);
  await started;
  expect(getBackend()).toBe("wasm");
  expect(found()).toEqual(before.map((listeners) => [...listeners, mine]));
  for (const event of events) process.off(event, mine);
});

test("listeners go however a bundler has written them, and where the start fails; others stay", async () => {
  const forms = [
    "function(ex){if(!(ex instanceof ExitStatus)){throw ex}}",
    "function (ex) { if (!(ex instanceof ExitStatus)) {\n throw ex;\n} }",
    "function(e){if(!(e instanceof $t))throw e}",
    "e=>{throw e}",
    "(e) => { throw e; }",
    "function handler(reason){throw reason}",
  ];
  const others = [
    "(e) => { console.error(e); throw e; }",
    "(e) => { if (!(e instanceof Error)) return; throw e; }",
    "(e) => { throw f; }",
    "() => {}",
  ];
  const before = found();
  process.setMaxListeners(process.getMaxListeners() + forms.length + others.length);
  const listeners = [...forms, ...others].map((text) => new Function(`return ${text}`)() as () => void);
  const start = withoutListeners(async () => {
    for (const event of events) for (const listener of listeners) process.on(event, listener);
    throw new Error("no binaries");
  });
  await expect(start).rejects.toThrow("no binaries");
  expect(found()).toEqual(before.map((each) => [...each, ...listeners.slice(forms.length)]));
  for (const event of events) for (const listener of listeners) process.off(event, listener);
  process.setMaxListeners(process.getMaxListeners() - listeners.length);
});
