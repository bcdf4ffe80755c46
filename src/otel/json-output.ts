import { printableJson } from '../contract/printable.ts';
import type { SpanOutput, TextStream } from './console-output.ts';
import type { SpanObject } from './span-object.ts';

const kinds = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'];
const statusCodes = ['unset', 'ok', 'error'];

/** One span as one line of JSON, without the line end: hex ids, times as decimal strings of Unix ns, resource attributes. */
export function spanJson(span: SpanObject): string {
  return printableJson({
    traceId: span.traceId,
    spanId: span.spanId,
    parentSpanId: span.parentSpanId,
    name: span.name,
    kind: kinds[span.kind],
    startTimeUnixNano: String(span.startUnixNs),
    endTimeUnixNano: String(span.endUnixNs),
    status: { code: statusCodes[span.status.code], message: span.status.message || undefined },
    attributes: span.attributes,
    flags: span.flags,
    traceState: span.traceState || undefined,
    resource: span.resource.attributes,
  });
}

/** `--json`: JSON lines. */
export function jsonLinesOutput(stream: TextStream): SpanOutput {
  return {
    add: (span) => void stream.write(`${spanJson(span)}\n`, 1),
    flush: () => {},
  };
}
