/**
 * What everything of a kind must do, as cases for any test runner: for those who add a method.
 *
 * @module sid-lsg/testing
 */
export type { ContractCase } from "./contract-case";
export { type MethodContractOptions, methodContract } from "./method-contract";
