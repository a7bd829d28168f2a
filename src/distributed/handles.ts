/** What MPI calls a communicator, a type or an operation: a number or an address, by the library. */
export type Handle = number | bigint;

/** The constants of `mpi.h` that are used here; every library has its own. */
export interface Handles {
  readonly world: Handle;
  readonly byte: Handle;
  readonly float: Handle;
  readonly sum: Handle;
  readonly inPlace: Handle;
  readonly errorsReturn: Handle;
  readonly statusIgnore: Handle;
  /** MPI_THREAD_SERIALIZED: any thread may call, one at a time. */
  readonly serialized: number;
  /** Bytes of an MPI_Request. */
  readonly requestSize: 4 | 8;
}

/** MPI-5's binary interface, the same in every library that has it. Source: MPI 5.0, appendix A; mpi_abi.h of MPICH 5. */
export const standardHandles: Handles = {
  world: 0x101,
  byte: 0x247,
  float: 0x210,
  sum: 0x21,
  inPlace: 1,
  errorsReturn: 0x143,
  statusIgnore: 0,
  serialized: 2048,
  requestSize: 8,
};

/** MPICH's own, which its relatives share: Intel MPI, MVAPICH, Cray MPICH. Source: mpi.h of MPICH 4 and 5. */
export const mpichHandles: Handles = {
  world: 0x44000000,
  byte: 0x4c00010d,
  float: 0x4c00040a,
  sum: 0x58000003,
  inPlace: -1,
  errorsReturn: 0x54000001,
  statusIgnore: 1,
  serialized: 2,
  requestSize: 4,
};

/** Open MPI's own: addresses of variables of the library. Source: mpi.h of Open MPI 4 and 5. */
export function openMpiHandles(addressOf: (symbol: string) => bigint): Handles {
  return {
    world: addressOf("ompi_mpi_comm_world"),
    byte: addressOf("ompi_mpi_byte"),
    float: addressOf("ompi_mpi_float"),
    sum: addressOf("ompi_mpi_op_sum"),
    inPlace: 1,
    errorsReturn: addressOf("ompi_mpi_errors_return"),
    statusIgnore: 0,
    serialized: 2,
    requestSize: 8,
  };
}
