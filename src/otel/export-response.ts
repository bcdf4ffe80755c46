/**
 * Spans a collector refused although the request succeeded: `partial_success.rejected_spans` of an encoded
 * `ExportTraceServiceResponse` (opentelemetry/proto/collector/trace/v1/trace_service.proto). 0 for anything unreadable.
 * Read here because importing the official deserializer costs 4.4 MB of memory.
 */
export function rejectedSpans(response: Uint8Array): number {
  const partialSuccess = field(response, 1);
  const rejected = partialSuccess instanceof Uint8Array ? field(partialSuccess, 1) : 0;
  return typeof rejected === 'number' ? rejected : 0;
}

/** The last value of field `wanted`: a number for a varint, bytes for a length-delimited field. */
function field(message: Uint8Array, wanted: number): number | Uint8Array | undefined {
  let found: number | Uint8Array | undefined;
  let p = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; p < message.length; scale *= 128) {
      const byte = message[p++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
    }
    return value;
  };
  while (p < message.length) {
    const tag = varint();
    let value: number | Uint8Array | undefined;
    if ((tag & 7) === 0) value = varint();
    else if ((tag & 7) === 1) p += 8;
    else if ((tag & 7) === 5) p += 4;
    else if ((tag & 7) === 2) {
      const length = varint();
      value = message.subarray(p, p + length);
      p += length;
    } else return undefined;
    if (tag >>> 3 === wanted) found = value;
  }
  return found;
}
