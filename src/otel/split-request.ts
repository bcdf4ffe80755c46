import { lengthDelimited } from './encode-resource.ts';
import type { ExportRequest } from './export-request.ts';
import { type Field, fieldsOf } from './protobuf-fields.ts';

/** ExportTraceServiceRequest.resource_spans, ResourceSpans.scope_spans and ScopeSpans.spans: their field numbers and tags. */
const path = [
  { field: 1, tag: 0x0a },
  { field: 2, tag: 0x12 },
  { field: 2, tag: 0x12 },
] as const;

/**
 * Two requests with half of the spans each, in their order, for a collector that found the whole one too large. Resources and scopes go
 * with their spans. The bytes of each have a buffer of their own, which can go to a BufferPool.
 * @param request more than one span
 */
export function splitRequest({ bytes, spans }: ExportRequest): [ExportRequest, ExportRequest] {
  const first = Math.ceil(spans / 2);
  return [
    { bytes: part(bytes, 0, first), spans: first },
    { bytes: part(bytes, first, spans), spans: spans - first },
  ];
}

/** The request with its spans [from, to) alone. */
function part(request: Uint8Array, from: number, to: number): Uint8Array {
  let next = 0;
  /** The contents of a message of `path[depth]`, or nothing if no wanted span is in it. */
  const keep = (message: Uint8Array, depth: number): Uint8Array[] => {
    const kept: Uint8Array[] = [];
    let wanted = 0;
    const { field, tag } = path[depth]!;
    for (const each of fieldsOf(message)) {
      if (each.number !== field || !(each.value instanceof Uint8Array)) {
        kept.push(encoded(message, each));
        continue;
      }
      if (depth === path.length - 1) {
        const at = next++;
        if (at < from || at >= to) continue;
        kept.push(encoded(message, each));
      } else {
        const inner = keep(each.value, depth + 1);
        if (inner.length === 0) continue;
        kept.push(lengthDelimited(tag, ...inner));
      }
      wanted++;
    }
    return wanted > 0 ? kept : [];
  };
  return joined(keep(request, 0));
}

/** Not Buffer.concat(), because small buffers of Node.js share their memory. */
function joined(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, each) => sum + each.length, 0));
  let p = 0;
  for (const each of parts) {
    out.set(each, p);
    p += each.length;
  }
  return out;
}

/** A field with its tag, as it is in the message. */
function encoded(message: Uint8Array, { start, end }: Field): Uint8Array {
  return message.subarray(start, end);
}
