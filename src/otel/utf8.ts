/**
 * Bytes to text and back. Bytes that are not UTF-8 (including a code point that is cut in the middle) and lone surrogates become U+FFFD,
 * because Go's protobuf rejects a whole export request over one bad string.
 */
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const encoder = new TextEncoder();

/** `length` bytes at `from` as a string without any lone surrogate. */
export function decodeUtf8(bytes: Uint8Array, from: number, length: number): string {
  return decoder.decode(bytes.subarray(from, from + length));
}

/** The UTF-8 of `text`; always valid. */
export function encodeUtf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** The largest length ≤ `max` at which a cut of valid UTF-8 that starts at `from` splits no code point. */
export function cutUtf8(bytes: Uint8Array, from: number, max: number): number {
  let length = max;
  while (length > 0 && (bytes[from + length]! & 0xc0) === 0x80) length--;
  return length;
}
