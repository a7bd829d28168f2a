/** All computing happens here, so that the page stays responsive whatever the backend. */
import type { Tensor } from "@tensorflow/tfjs-core";
import { randomStream, SidError } from "sid-lsg";
import { useBackend } from "sid-lsg/backends";
import { blobSource } from "sid-lsg/io";
import { messages } from "../common/messages";
import { teacherSteps } from "../text-to-image/methods";
import { sampleShape } from "../text-to-image/picture-format";
import { knownWords } from "../text-to-image/words";
import { drawInManySteps, drawInOneStep, type Look, loadNetworks, type Networks, openGenerator } from "./drawing";
import type { Artist, Order, Report, Start } from "./protocol";

type Drawing = Extract<Order, { kind: "draw" }>;

let networks: Networks | undefined;
let latest = 0;
let pictureCount = 0;

addEventListener("message", ({ data: order }: MessageEvent<Order>) => {
  carryOut(order).catch((error: unknown) => {
    const code = error instanceof SidError ? error.code : undefined;
    report({
      kind: "failed",
      order: order.kind,
      id: order.kind === "draw" ? order.id : undefined,
      code,
      message: error instanceof Error ? error.message : String(error),
    });
  });
});

function report(message: Report): void {
  postMessage(message);
}

async function carryOut(order: Order): Promise<void> {
  if (order.kind === "start") return start(order);
  if (!networks) throw new Error("The networks are not loaded.");
  if (order.kind === "draw") return draw(networks, order);
  await openGenerator(networks.generator, blobSource(order.file));
  report({ kind: "opened", name: order.file.name });
}

async function start({ backend, wasm, files, pictures }: Start): Promise<void> {
  pictureCount = pictures;
  let line = `${backend}, as the address of the page asks`;
  const name = await useBackend(backend, {
    wasmPath: wasm,
    log: (chosen) => {
      line = chosen.replace(/^sid-lsg: backend /, "");
    },
  });
  if (name === "wasm" && !crossOriginIsolated) line += "; on one thread, as the page is not cross-origin isolated";
  report({ kind: "backend", line });
  const loaded = await loadNetworks(files);
  report({ kind: "loaded" });
  await warmUp(loaded);
  networks = loaded;
  report({ kind: "ready", words: loaded.words });
}

/** Draws for a while: kernels are compiled when they first run, and JavaScript later, and that is not to be measured. */
async function warmUp(loaded: Networks): Promise<void> {
  const noise = drawNoise(loaded, 0);
  for await (const _ of drawInManySteps(loaded, "", noise)) break;
  const end = performance.now() + 200;
  do await drawInOneStep(loaded, "", noise);
  while (performance.now() < end);
  noise.dispose();
}

/** One noise for each picture: those of `npm start -- --prompt` with that seed. */
function drawNoise({ pictures }: Networks, seed: number): Tensor {
  return randomStream(seed).normal([pictureCount, ...sampleShape(pictures)]);
}

/** Draws the same noises with each network, until a later order comes. */
async function draw(loaded: Networks, { id, caption, seed, withTeacher }: Drawing): Promise<void> {
  latest = id;
  await messages();
  if (latest !== id) return;
  knownWords(caption, loaded.words);
  const noise = drawNoise(loaded, seed);
  const { size } = loaded.pictures;
  const show = (artist: Artist, steps: number, began: number, look: Look) =>
    report({ kind: "pictures", id, artist, steps, milliseconds: performance.now() - began, size, ...look });
  try {
    let began = performance.now();
    show("generator", 1, began, await drawInOneStep(loaded, caption, noise));
    if (latest !== id || !withTeacher) return;
    began = performance.now();
    for await (const look of drawInManySteps(loaded, caption, noise)) {
      show("teacher", teacherSteps, began, look);
      await messages();
      if (latest !== id) return;
    }
  } finally {
    noise.dispose();
  }
}
