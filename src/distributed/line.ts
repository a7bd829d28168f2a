import { SidError } from "../core/errors";
import { nodeModule } from "./node-module";

/**
 * Throws where the line to the launcher is closed, an open file of the number PMI_FD, over which MPICH and its relatives
 * talk: Node hands no open file but the first three on to the programs that it starts, and npm is a program of Node.
 */
export async function checkLine(environment: Readonly<Record<string, string | undefined>>): Promise<void> {
  const number = environment["PMI_FD"];
  if (number === undefined || (await isSocket(Number(number)))) return;
  throw new SidError(
    "invalid-argument",
    `mpi: the line to the launcher (PMI_FD=${number}) is closed. npm, as every program of Node, does not hand it on: have ` +
      "mpiexec or srun start node itself, with the command that package.json has for the script.",
  );
}

async function isSocket(file: number): Promise<boolean> {
  const { fstatSync } = await nodeModule("node:fs");
  try {
    return fstatSync(file).isSocket();
  } catch {
    return false;
  }
}
