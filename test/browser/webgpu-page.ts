/** WebGPU in a page: how it starts, and what it says once it has failed. */
import { add, backend, browser, square, sum, type Tensor, tensor1d } from "@tensorflow/tfjs-core";
import { useBackend } from "sid-lsg/backends";

const here = new URL(".", location.href).href;
const device = () => (backend() as unknown as { device: GPUDevice }).device;

/** The code of what is thrown, or the value. */
async function outcome(f: () => unknown): Promise<unknown> {
  try {
    return await f();
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

Object.assign(globalThis, {
  use: (name: "webgpu" | "auto", options: object) =>
    outcome(() => useBackend(name, { ...options, wasmPath: here, log: () => {} })),
  limits: () => [device().limits.maxBufferSize, device().limits.maxStorageBufferBindingSize],
  /** The first pixel of each picture of one colour, all of one size, taken before anything is read. */
  async pictures(colours: readonly string[]): Promise<number[][]> {
    const taken = colours.map((colour) => {
      const canvas = new OffscreenCanvas(32, 32);
      const context = canvas.getContext("2d") as OffscreenCanvasRenderingContext2D;
      context.fillStyle = colour;
      context.fillRect(0, 0, 32, 32);
      return browser.fromPixels(canvas.transferToImageBitmap());
    });
    const values = await Promise.all(taken.map((picture) => picture.data()));
    for (const picture of taken) picture.dispose();
    return values.map((pixels) => [...pixels.slice(0, 3)]);
  },
  /** Fails in one way, and tells what a read in flight, a later one and a kernel say; then starts anew. */
  async fail(how: "lost" | "refused"): Promise<unknown[]> {
    const x = tensor1d(new Float32Array(2000).fill(1));
    const y = square(x);
    const read = (tensor: Tensor) => outcome(async () => (await tensor.data())[0]);
    const inFlight = how === "lost" ? read(y) : undefined;
    if (how === "lost") device().destroy();
    else device().createBuffer({ size: 16, usage: 0 });
    const said = [await inFlight, await read(y), await outcome(() => add(x, y).size)];
    await useBackend("webgpu");
    const fresh = square(tensor1d(new Float32Array(2000).fill(1)));
    const total = sum(fresh);
    said.push((await total.data())[0], await outcome(() => add(y, 1).size));
    for (const tensor of [x, y, fresh, total]) tensor.dispose();
    return said;
  },
});
