/** A short fingerprint (FNV-1a, 32 bits) of text or bytes: tells runs apart, no protection against malice. */
export function digest(content: string | Uint8Array): string {
  return digestParts([content]);
}

/** The {@link digest} of parts one after another. */
export function digestParts(parts: Iterable<string | Uint8Array>): string {
  const encoder = new TextEncoder();
  let hash = 0x811c9dc5;
  for (const part of parts)
    for (const byte of typeof part === "string" ? encoder.encode(part) : part)
      hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash.toString(16).padStart(8, "0");
}
