/** What a program may have in scope beside this library; read by `names.node.test.ts`. */
export * from "@tensorflow/tfjs-core";
