import type { Attribute } from "../operations";
import { Message } from "./protobuf";

/*
 * TensorFlow's GraphDef and SavedModel, by the field numbers of tensorflow/core/framework/{graph,node_def,attr_value,
 * tensor,tensor_shape}.proto and core/protobuf/{saved_model,meta_graph}.proto.
 */

/** TensorFlow's numbers of element types. */
const float32 = 1;
const int32 = 3;

/** The newest changes of operations that the graph knows of: TensorFlow 2.9's. */
const producer = 1087;

/** A tensor's elements, or what stands for them. */
export interface TensorType {
  readonly dtype: number;
  readonly shape: readonly number[];
}

/** A node without its name: the operation, with names of its inputs. */
export interface NodeDef {
  readonly operation: string;
  readonly inputs: readonly string[];
  readonly attributes: ReadonlyMap<string, Message>;
}

export function placeholder({ dtype, shape }: TensorType): NodeDef {
  const attributes = new Map([
    ["dtype", ofType(dtype)],
    ["shape", new Message().message(7, shapeOf(shape))],
  ]);
  return { operation: "Placeholder", inputs: [], attributes };
}

export function constant({ dtype, shape }: TensorType, { buffer, byteOffset, byteLength }: ArrayBufferView): NodeDef {
  const tensor = new Message()
    .integer(1, dtype)
    .message(2, shapeOf(shape))
    .bytes(4, new Uint8Array(buffer, byteOffset, byteLength));
  const attributes = new Map([
    ["dtype", ofType(dtype)],
    ["value", new Message().message(8, tensor)],
  ]);
  return { operation: "Const", inputs: [], attributes };
}

/** The type attributes of operations that have another than `T`; eager execution finds them out, a graph is told. */
const typeAttributes: Readonly<Record<string, Readonly<Record<string, number | "first" | "second">>>> = {
  Cast: { SrcT: "first" },
  ConcatV2: { T: "first", Tidx: int32 },
  Conv2DBackpropInput: { T: "second" },
  IsFinite: { T: "first" },
  Mean: { T: "first", Tidx: int32 },
  PadV2: { T: "first", Tpaddings: int32 },
  Reshape: { T: "first", Tshape: int32 },
  Select: { T: "second" },
  SelectV2: { T: "second" },
  Slice: { T: "first", Index: int32 },
  Sum: { T: "first", Tidx: int32 },
  Tile: { T: "first", Tmultiples: int32 },
  Transpose: { T: "first", Tperm: int32 },
};

/** An operation as the binding runs it, as a node. */
export function operation(
  name: string,
  given: readonly Attribute[],
  inputs: readonly string[],
  dtypes: readonly number[],
): NodeDef {
  const attributes = new Map(given.map((attribute) => [attribute.name, encoded(attribute)]));
  for (const [type, which] of Object.entries(typeAttributes[name] ?? { T: "first" })) {
    const dtype = typeof which === "number" ? which : (dtypes[which === "first" ? 0 : 1] ?? float32);
    if (!attributes.has(type)) attributes.set(type, ofType(dtype));
  }
  return { operation: name, inputs, attributes };
}

/** A SavedModel of named nodes, for `loadSavedModel` with the tag `serve`. */
export function savedModel(nodes: ReadonlyMap<string, NodeDef>): Uint8Array {
  const graph = new Message();
  for (const [name, { operation, inputs, attributes }] of nodes) {
    const node = new Message().text(1, name).text(2, operation);
    for (const input of inputs) node.text(3, input);
    for (const [key, value] of attributes) node.message(5, new Message().text(1, key).message(2, value));
    graph.message(1, node);
  }
  graph.message(4, new Message().integer(1, producer));
  const info = new Message().text(4, "serve").text(5, "2.9.1");
  return new Message().integer(1, 1).message(2, new Message().message(1, info).message(2, graph)).encode();
}

const ofType = (dtype: number) => new Message().integer(6, dtype);

function shapeOf(shape: readonly number[]): Message {
  const message = new Message();
  for (const size of shape) message.message(2, new Message().integer(1, size));
  return message;
}

/** By the binding's numbers of kinds: string, integer, float, boolean, type, shape. */
function encoded({ type, value }: Attribute): Message {
  const message = new Message();
  if (type === 0) return message.text(2, value as string);
  if (type === 1 && Array.isArray(value)) {
    const list = new Message();
    for (const item of value as number[]) list.integer(3, item);
    return message.message(1, list);
  }
  if (type === 1) return message.integer(3, value as number);
  if (type === 2) return message.float(4, value as number);
  if (type === 3) return message.integer(5, value ? 1 : 0);
  if (type === 4) return message.integer(6, value as number);
  return message.message(7, shapeOf(value as number[]));
}
