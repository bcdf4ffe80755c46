import type { AttributeValue, Resource } from '../contract/span.ts';
import { putVarint, putVarint64, varint64Bytes, varintBytes } from './protobuf.ts';
import { encodeUtf8 } from './utf8.ts';

/** A length-delimited protobuf field; `tag` is one byte. */
export function lengthDelimited(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(1 + varintBytes(length) + length);
  out[0] = tag;
  let p = putVarint(out, 1, length);
  for (const part of parts) {
    out.set(part, p);
    p += part.length;
  }
  return out;
}

/** `ResourceSpans.resource` (field 1) of a process. It is made once per resource, so the code is written for size and not for speed. */
export function encodeResource(resource: Resource): Uint8Array {
  const attributes = Object.entries(resource.attributes).map(([key, value]) =>
    lengthDelimited(0x0a, lengthDelimited(0x0a, encodeUtf8(key)), lengthDelimited(0x12, anyValue(value))),
  );
  return lengthDelimited(0x0a, ...attributes);
}

/** `AnyValue` of opentelemetry/proto/common/v1/common.proto: string 1, bool 2, int 3, double 4, array 5. */
function anyValue(value: AttributeValue): Uint8Array {
  if (typeof value === 'string') return lengthDelimited(0x0a, encodeUtf8(value));
  if (typeof value === 'boolean') return Uint8Array.of(0x10, value ? 1 : 0);
  if (typeof value === 'number') return Number.isSafeInteger(value) ? intValue(value) : doubleValue(value);
  return lengthDelimited(0x2a, ...value.map((item) => lengthDelimited(0x0a, anyValue(item))));
}

function intValue(value: number): Uint8Array {
  const lo = value >>> 0;
  const hi = Math.floor(value / 0x1_0000_0000) >>> 0;
  const out = new Uint8Array(1 + varint64Bytes(lo, hi));
  out[0] = 0x18;
  putVarint64(out, 1, lo, hi);
  return out;
}

function doubleValue(value: number): Uint8Array {
  const out = new Uint8Array(9);
  out[0] = 0x21;
  new DataView(out.buffer).setFloat64(1, value, true);
  return out;
}
