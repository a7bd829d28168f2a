import { type Tensor, tensor, tidy, type Variable } from "@tensorflow/tfjs-core";
import { allFinite } from "../core/all-finite";
import { type Arithmetic, arithmetic } from "../core/arithmetic";
import { describe } from "../core/checks";
import { SidError } from "../core/errors";
import type { HostTensor } from "../core/host-tensor";
import { type RandomState, randomStream } from "../core/random";
import { encodeParts } from "../io/safetensors";
import type { RunAdam } from "./adam";
import type { CheckpointPlace } from "./checkpoint-place";
import { checksum } from "./checksum";
import { differences, type Fingerprint } from "./fingerprint";
import { divergenceGauge, type GaugeState } from "./gauge/gauge";
import type { Shard } from "./ranks/shards";

const format = "sid-lsg checkpoint 2";

/** How far a run has come. */
export interface Progress {
  readonly iteration: number;
  readonly nimg: number;
  readonly stream: RandomState;
  /** What the gauge has seen; absent in files of versions without one. */
  readonly gauge?: GaugeState | undefined;
}

/** The tensors of a run that a checkpoint holds. */
export interface RunState {
  readonly networks: Readonly<Record<string, readonly Variable[]>>;
  readonly optimizers: Readonly<Record<string, RunAdam>>;
}

/** The whole moments that ranks keep in parts, by their names in the file, at rank 0; all ranks take part. */
export async function gatherMoments({ optimizers }: RunState): Promise<ReadonlyMap<string, Float32Array>> {
  const moments = new Map<string, Float32Array>();
  for (const [role, { shards }] of Object.entries(optimizers))
    for (const [i, whole] of ((await shards?.gather()) ?? []).entries()) moments.set(momentName(role, i), whole);
  return moments;
}

/** Writes everything that a run needs to go on, atomically; `moments` are those that {@link gatherMoments} made whole. */
export async function saveCheckpoint(
  place: CheckpointPlace,
  path: string,
  fingerprint: Fingerprint,
  progress: Progress,
  state: RunState,
  moments: ReadonlyMap<string, Float32Array>,
): Promise<void> {
  const tensors = new Map<string, HostTensor>();
  const checksums: [string, string][] = [];
  for (const [name, shape, x] of slots(state)) {
    const data = moments.get(name) ?? ((await x.data()) as Float32Array);
    tensors.set(name, { dtype: "F32", shape, data });
    checksums.push([name, checksumOf(data)]);
  }
  const kind = arithmetic();
  const steps = Object.fromEntries(Object.entries(state.optimizers).map(([name, o]) => [name, o.state().step]));
  const metadata = {
    format,
    run: JSON.stringify(fingerprint),
    progress: JSON.stringify({ ...progress, steps }),
    checksums: JSON.stringify(Object.fromEntries(checksums)),
    ...(kind && { arithmetic: kind }),
  };
  const all = { ...metadata, checksum: checksumOf(metadata) };
  await place.write(path, encodeParts(`distill: checkpoint ${JSON.stringify(path)}`, tensors, all));
}

/** What the run that goes on is to be. */
export interface Goal {
  readonly fingerprint: Fingerprint;
  readonly iterations: number;
  readonly batch: number;
  /** Steps of each optimiser after so many iterations. */
  readonly steps: (iteration: number) => Readonly<Record<string, number>>;
  /** Whether it may go on in another arithmetic than it came in, with a warning. */
  readonly allowOtherArithmetic: boolean;
  readonly onWarning: (warning: string) => void;
}

/**
 * Puts a run where the checkpoint left it, and returns how far that was. Changes nothing unless the
 * whole file fits.
 */
export async function loadCheckpoint(
  place: CheckpointPlace,
  path: string,
  goal: Goal,
  state: RunState,
): Promise<Progress> {
  const where = `distill: checkpoint ${JSON.stringify(path)}`;
  const { tensors, metadata } = await place.read(path);
  const corrupt = (what: string): never => {
    throw new SidError("corrupt-file", `${where}: ${what}.`);
  };
  const { checksum: stated, ...rest } = metadata;
  if (stated !== undefined && stated !== checksumOf(rest))
    corrupt("its settings, progress or list of checksums are damaged");
  if (rest["format"] !== format || stated === undefined)
    throw new SidError(
      "checkpoint-mismatch",
      `${where}: wanted the format "${format}", got ${describe(rest["format"])}${stated === undefined ? " without a checksum" : ""}.`,
    );
  const differing = differences(
    parse(metadata["run"]) ?? corrupt("the run's settings are not readable"),
    goal.fingerprint,
  );
  if (differing.length > 0)
    throw new SidError(
      "checkpoint-mismatch",
      `${where}: it is of another run, which differs in ${differing.join(", ")}.`,
    );
  const other = otherArithmetic(metadata["arithmetic"]);
  if (other !== undefined && !goal.allowOtherArithmetic)
    throw new SidError(
      "checkpoint-mismatch",
      `${where}: ${other}; call useBackend("wasm", { fma: ${metadata["arithmetic"] === "fma"} }) to go on bit for bit, or allow the change: checkpoint.allowOtherArithmetic.`,
    );
  const progress = parse<Progress & { readonly steps: Readonly<Record<string, number>> }>(metadata["progress"]);
  const roles = Object.keys(state.optimizers);
  const steps = roles.map((role) => progress?.steps?.[role]);
  if (!progress || ![progress.iteration, progress.nimg, ...steps].every(isCount))
    return corrupt("the run's progress is not readable");
  const { iteration, nimg } = progress;
  const due = goal.steps(iteration);
  if (nimg !== iteration * goal.batch || roles.some((role, i) => steps[i] !== due[role]))
    corrupt(`${iteration} iterations of ${goal.batch} images do not make ${nimg} images and ${steps.join(", ")} steps`);
  if (iteration > goal.iterations)
    throw new SidError(
      "checkpoint-mismatch",
      `${where}: it is at iteration ${iteration}, beyond the ${goal.iterations} that are asked for.`,
    );
  try {
    randomStream(progress.stream);
  } catch (cause) {
    throw new SidError("corrupt-file", `${where}: the random stream's state is not readable.`, { cause });
  }
  try {
    divergenceGauge({ state: progress.gauge });
  } catch (cause) {
    throw new SidError("corrupt-file", `${where}: the state of the gauge is not readable.`, { cause });
  }
  const wanted = slots(state);
  for (const [name, shape] of wanted) {
    const found = tensors.get(name);
    if (found?.dtype !== "F32" || found.shape.join() !== shape.join())
      corrupt(
        `"${name}" must be F32 [${shape.join(", ")}], got ${found ? `${found.dtype} [${found.shape.join(", ")}]` : "nothing"}`,
      );
  }
  if (tensors.size !== wanted.length) corrupt(`wanted ${wanted.length} tensors, got ${tensors.size}`);
  const checksums = parse<Record<string, string>>(metadata["checksums"]) ?? {};
  for (const [name, { data }] of tensors) {
    const own = checksumOf(data as Float32Array);
    if (own !== checksums[name]) corrupt(`"${name}" is damaged: its checksum must be ${checksums[name]}, got ${own}`);
    if (!allFinite(data as Float32Array)) corrupt(`"${name}" holds NaN or infinities`);
  }

  if (other !== undefined) goal.onWarning(`${where}: ${other}; the run goes on, not bit for bit.`);
  tidy(() => {
    const read = (name: string, x: Tensor, { from, to }: Partial<Shard> = {}) =>
      tensor(((tensors.get(name) as HostTensor).data as Float32Array).subarray(from, to), x.shape);
    for (const [role, variables] of Object.entries(state.networks))
      variables.forEach((v, i) => void v.assign(read(`${role}.${i}`, v)));
    for (const [role, optimizer] of Object.entries(state.optimizers)) {
      const parts = optimizer.shards?.moments;
      const moments = optimizer.state().moments.map((x, i) => read(momentName(role, i), x, parts?.[i]));
      optimizer.restore({ step: progress.steps[role] as number, moments });
    }
  });
  return progress;
}

const howItRounds: Readonly<Record<Arithmetic, string>> = {
  fma: 'with fused multiply-adds ("fma")',
  plain: 'without fused multiply-adds ("plain")',
};

/** In words, where a checkpoint came in another arithmetic than the backend has; those of old versions do not tell. */
function otherArithmetic(saved: string | undefined): string | undefined {
  const own = arithmetic();
  if (!own || (saved !== "fma" && saved !== "plain") || saved === own) return undefined;
  return `it was computed ${howItRounds[saved]}, and this run computes ${howItRounds[own]}`;
}

type Slot = readonly [name: string, shape: readonly number[], held: Tensor];

/**
 * The tensors of a run by their names in the file, with the shapes that they have there and what this program holds of
 * them; by index, since tf.layers numbers its names anew in every process.
 */
function slots({ networks, optimizers }: RunState): Slot[] {
  return [
    ...Object.entries(networks).flatMap(([role, all]) => all.map((v, i): Slot => [`${role}.${i}`, v.shape, v])),
    ...Object.entries(optimizers).flatMap(([role, { state, shards }]) =>
      state().moments.map((x, i): Slot => {
        const whole = shards?.moments[i];
        return [momentName(role, i), whole ? [whole.size] : x.shape, x];
      }),
    ),
  ];
}

function momentName(role: string, i: number): string {
  return `${role}.adam.${i}`;
}

/** The checksum of numbers, or of all that some metadata says, in any order. */
function checksumOf(content: Float32Array | Readonly<Record<string, string>>): string {
  if (content instanceof Float32Array)
    return checksum(new Uint8Array(content.buffer, content.byteOffset, content.byteLength));
  return checksum(new TextEncoder().encode(JSON.stringify(Object.entries(content).sort())));
}

function parse<T extends object = Fingerprint>(json: string | undefined): T | undefined {
  try {
    const value: unknown = JSON.parse(json ?? "");
    return typeof value === "object" && value !== null ? (value as T) : undefined;
  } catch {
    return undefined;
  }
}

function isCount(value: unknown): boolean {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
