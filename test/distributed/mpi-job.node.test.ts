import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

type Yaml = string | number | readonly Yaml[] | { readonly [key: string]: Yaml };

/** The part of YAML that the manifest is written in: maps and lists by indentation, lists in brackets, plain scalars. */
function parse(text: string): Yaml {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  let at = 0;
  const indentOf = (line: string) => line.search(/\S/);
  const scalar = (word: string): Yaml => {
    if (word.startsWith("[")) return word.slice(1, -1).split(", ").map(scalar);
    if (word.startsWith('"')) return word.slice(1, -1);
    return /^\d+$/.test(word) ? Number(word) : word;
  };
  const block = (indent: number): Yaml => {
    if ((lines[at] as string).trim().startsWith("- ")) {
      const items: Yaml[] = [];
      while (at < lines.length && indentOf(lines[at] as string) === indent) {
        lines[at] = (lines[at] as string).replace("- ", "  ");
        items.push(block(indent + 2));
      }
      return items;
    }
    const map: Record<string, Yaml> = {};
    while (at < lines.length && indentOf(lines[at] as string) === indent) {
      const [, key = "", value = ""] = /^\s*([\w-]+):\s*(.*)$/.exec(lines[at++] as string) ?? [];
      map[key] = value === "" ? block(indentOf(lines[at] as string)) : scalar(value);
    }
    return map;
  };
  return block(0);
}

type Fact = "string" | "integer" | readonly string[] | { readonly [key: string]: Fact } | { readonly each: Fact };

/**
 * What the operator's custom resource kubeflow.org/v2beta1 MPIJob, and Kubernetes of a pod, take in the places that the
 * manifest fills. Source: manifests/base/kubeflow.org_mpijobs.yaml of kubeflow/mpi-operator (caa3c47), core/v1.
 */
const strings: Fact = { each: "string" };
const replica: Fact = {
  replicas: "integer",
  restartPolicy: ["Always", "OnFailure", "Never", "ExitCode"],
  template: {
    spec: {
      containers: {
        each: {
          ...{ name: "string", image: "string", workingDir: "string", command: strings, args: strings },
          resources: { limits: { cpu: "string", memory: "string" } },
        },
      },
    },
  },
};
const mpiJob: Fact = {
  apiVersion: ["kubeflow.org/v2beta1"],
  kind: ["MPIJob"],
  metadata: { name: "string" },
  spec: {
    slotsPerWorker: "integer",
    mpiImplementation: ["OpenMPI", "Intel", "MPICH"],
    sshAuthMountPath: "string",
    launcherCreationPolicy: ["AtStartup", "WaitForWorkersReady"],
    runPolicy: {
      cleanPodPolicy: ["Running", "None", "All"],
      ttlSecondsAfterFinished: "integer",
      activeDeadlineSeconds: "integer",
      backoffLimit: "integer",
    },
    mpiReplicaSpecs: { Launcher: replica, Worker: replica },
  },
};

/** Where a value is not what the facts say. */
function faults(value: Yaml | undefined, fact: Fact, path = ""): readonly string[] {
  if (fact === "string") return typeof value === "string" ? [] : [`${path} is no string`];
  if (fact === "integer") return Number.isInteger(value) ? [] : [`${path} is no integer`];
  if (Array.isArray(fact)) return fact.includes(value as string) ? [] : [`${path} is ${JSON.stringify(value)}`];
  if ("each" in fact)
    return Array.isArray(value)
      ? value.flatMap((item, i) => faults(item, fact["each"] as Fact, `${path}[${i}]`))
      : [`${path} is no list`];
  if (typeof value !== "object" || Array.isArray(value)) return [`${path} is no map`];
  return Object.entries(value).flatMap(([key, item]) => {
    const known = (fact as Readonly<Record<string, Fact>>)[key];
    return known === undefined ? [`${path} has no ${key}`] : faults(item as Yaml, known, `${path}.${key}`);
  });
}

const page = readFileSync("docs/distributed.md", "utf8");
const manifest = /^```yaml\n([\s\S]*?)^```$/m.exec(page)?.[1] ?? "";

test("the MPIJob of the documentation fits the operator's schema, and starts as many ranks as there are slots", () => {
  const job = parse(manifest);
  expect(faults(job, mpiJob)).toEqual([]);
  const { slotsPerWorker, mpiReplicaSpecs } = (job as { readonly spec: unknown }).spec as {
    readonly slotsPerWorker: number;
    readonly mpiReplicaSpecs: Readonly<Record<"Launcher" | "Worker", { readonly replicas: number }>>;
  };
  expect(mpiReplicaSpecs.Launcher.replicas).toBe(1);
  expect(manifest).toContain(`-n, "${slotsPerWorker * mpiReplicaSpecs.Worker.replicas}", node`);
});

test("what does not fit is found", () => {
  const broken = (from: string, to: string) => faults(parse(manifest.replace(from, to)), mpiJob);
  expect(broken("slotsPerWorker: 1", "slotPerWorker: 1")).toEqual([".spec has no slotPerWorker"]);
  expect(broken("kind: MPIJob", "kind: Job")).toEqual(['.kind is "Job"']);
  expect(broken("backoffLimit: 3", "backoffLimit: often")).toEqual([".spec.runPolicy.backoffLimit is no integer"]);
  expect(broken("command: [mpirun]", "command: mpirun")).toHaveLength(1);
});
