import { launchOf } from "sid-lsg/distributed";
import { describe, expect, test } from "vitest";

const openMpi = {
  OMPI_COMM_WORLD_RANK: "5",
  OMPI_COMM_WORLD_SIZE: "8",
  OMPI_COMM_WORLD_LOCAL_RANK: "1",
  OMPI_COMM_WORLD_LOCAL_SIZE: "4",
};
const mpich = { PMI_RANK: "3", PMI_SIZE: "6", MPI_LOCALRANKID: "0", MPI_LOCALNRANKS: "3" };
const slurm = { SLURM_PROCID: "6", SLURM_STEP_NUM_TASKS: "7", SLURM_LOCALID: "0", SLURM_NODEID: "3" };

describe("launchOf", () => {
  test("nobody launched it: rank 0 of 1", () => {
    expect(launchOf({})).toEqual({ launcher: undefined, rank: 0, size: 1, localRank: 0, localSize: 1 });
  });

  test("Open MPI's variables", () => {
    const expected = { launcher: "Open MPI's mpirun", rank: 5, size: 8, localRank: 1, localSize: 4 };
    expect(launchOf(openMpi)).toEqual(expected);
    expect(launchOf({ ...slurm, ...mpich, ...openMpi })).toEqual(expected);
  });

  test("MPICH's variables", () => {
    const expected = { launcher: "MPICH's mpiexec", rank: 3, size: 6, localRank: 0, localSize: 3 };
    expect(launchOf(mpich)).toEqual(expected);
    expect(launchOf({ ...slurm, ...mpich })).toEqual(expected);
  });

  test.each([
    ["2(x3),1", "3", 1],
    ["2(x3),1", "2", 2],
    ["4,3", "1", 3],
    [undefined, "0", 7],
  ])("Slurm's variables: tasks a node %s, node %s", (SLURM_STEP_TASKS_PER_NODE, SLURM_NODEID, localSize) => {
    const launch = launchOf({ ...slurm, SLURM_STEP_TASKS_PER_NODE, SLURM_NODEID });
    expect(launch).toEqual({ launcher: "Slurm's srun", rank: 6, size: 7, localRank: 0, localSize });
  });

  test.each([
    ["1", 1],
    ["0", 0],
  ])("srun may deal ranks to machines in turn, SLURM_LOCALID %s", (SLURM_LOCALID, localRank) => {
    const dealt = { SLURM_STEP_NUM_TASKS: "4", SLURM_STEP_TASKS_PER_NODE: "2(x2)", SLURM_NODEID: "0", SLURM_LOCALID };
    expect(launchOf({ PMI_RANK: "2", PMI_SIZE: "4", ...dealt })).toMatchObject({ localRank, localSize: 2 });
  });

  test("a batch script of Slurm is no rank", () => {
    expect(launchOf({ SLURM_PROCID: "0", SLURM_NTASKS: "4" }).launcher).toBe(undefined);
  });

  test("without local numbers all ranks are on this machine", () => {
    expect(launchOf({ PMI_RANK: "2", PMI_SIZE: "4" })).toMatchObject({ localRank: 2, localSize: 4 });
  });

  test.each([
    [{ ...openMpi, OMPI_COMM_WORLD_RANK: "8" }, /OMPI_COMM_WORLD_RANK .* integer in \[0, 7\], got "8"/],
    [{ ...openMpi, OMPI_COMM_WORLD_RANK: undefined }, /OMPI_COMM_WORLD_RANK .* got undefined/],
    [{ ...mpich, PMI_SIZE: "two" }, /PMI_SIZE .* got "two"/],
    [{ ...mpich, MPI_LOCALRANKID: "3" }, /MPI_LOCALRANKID .* \[0, 2\], got "3"/],
  ])("variables that contradict each other are refused by name", (environment, message) => {
    expect(() => launchOf(environment)).toThrow(message);
  });
});
