/** Encodes a message of Protocol Buffers, field by field, in the wire format of protobuf.dev/programming-guides/encoding. */
export class Message {
  private readonly parts: Uint8Array[] = [];

  integer(field: number, value: number): this {
    return this.varint(field << 3).varint(value);
  }

  bytes(field: number, value: Uint8Array): this {
    this.varint((field << 3) | 2).varint(value.length);
    this.parts.push(value);
    return this;
  }

  text(field: number, value: string): this {
    return this.bytes(field, new TextEncoder().encode(value));
  }

  message(field: number, value: Message): this {
    return this.bytes(field, value.encode());
  }

  float(field: number, value: number): this {
    this.varint((field << 3) | 5);
    this.parts.push(new Uint8Array(Float32Array.of(value).buffer));
    return this;
  }

  encode(): Uint8Array {
    const all = new Uint8Array(this.parts.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of this.parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }

  /** Seven bits a byte, the lowest first; a negative number as its 64 bits. */
  private varint(value: number): this {
    const bytes: number[] = [];
    let rest = BigInt.asUintN(64, BigInt(value));
    for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
    this.parts.push(Uint8Array.from([...bytes, Number(rest)]));
    return this;
  }
}
