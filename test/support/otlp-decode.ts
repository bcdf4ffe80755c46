import type { AttributeValue } from '../../src/contract/span.ts';
import {
  type AnyValue,
  ExportTraceServiceRequest,
  type KeyValue,
  type ProtoRequest,
  type ProtoSpan,
  StrictReader,
} from './otlp-protos.ts';

/** A span as a collector sees it, decoded by the official protobuf code. */
export interface DecodedSpan {
  /** Lower-case hex. */
  traceId: string;
  spanId: string;
  /** `undefined` for a root. */
  parentSpanId: string | undefined;
  traceState: string;
  name: string;
  /** OTLP `SpanKind`: 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  kind: number;
  startUnixNs: bigint;
  endUnixNs: bigint;
  /** 64-bit integers are numbers if they are safe, otherwise bigint. */
  attributes: Record<string, AttributeValue | bigint>;
  status: { code: number; message: string };
  flags: number;
  resource: Record<string, AttributeValue | bigint>;
  scope: { name: string; version: string; schemaUrl: string };
}

/** All spans of an encoded `ExportTraceServiceRequest`, in order. Throws on bytes that are not one, including bad UTF-8. */
export function decodeExportRequest(bytes: Uint8Array): DecodedSpan[] {
  return decodedSpans(ExportTraceServiceRequest.decode(new StrictReader(bytes)));
}

/** The same from OTLP's JSON form, where ids are hex. Jaeger's query API and the Collector's file exporter give it. */
export function decodeOtlpJson(text: string): DecodedSpan[] {
  const bytesOfHex = (key: string, value: unknown): unknown =>
    /^(traceId|spanId|parentSpanId)$/.test(key) ? Buffer.from(value as string, 'hex') : value;
  return decodedSpans(JSON.parse(text, bytesOfHex));
}

function decodedSpans(request: ProtoRequest): DecodedSpan[] {
  const spans: DecodedSpan[] = [];
  for (const { resource, scopeSpans } of request.resourceSpans) {
    const resourceAttributes = attributes(resource.attributes);
    for (const { scope, spans: encoded, schemaUrl } of scopeSpans) {
      const decodedScope = { name: scope.name, version: scope.version, schemaUrl };
      for (const span of encoded) spans.push(decoded(span, resourceAttributes, decodedScope));
    }
  }
  return spans;
}

function decoded(span: ProtoSpan, resource: DecodedSpan['resource'], scope: DecodedSpan['scope']): DecodedSpan {
  return {
    traceId: hex(span.traceId),
    spanId: hex(span.spanId),
    parentSpanId: span.parentSpanId?.length ? hex(span.parentSpanId) : undefined,
    traceState: span.traceState ?? '',
    name: span.name,
    kind: span.kind,
    startUnixNs: BigInt(span.startTimeUnixNano.toString()),
    endUnixNs: BigInt(span.endTimeUnixNano.toString()),
    attributes: attributes(span.attributes),
    status: { code: span.status?.code ?? 0, message: span.status?.message ?? '' },
    flags: span.flags ?? 0,
    resource,
    scope,
  };
}

// JSON leaves out an empty list.
function attributes(pairs: readonly KeyValue[] = []): Record<string, AttributeValue | bigint> {
  return Object.fromEntries(pairs.map(({ key, value }) => [key, plain(value)]));
}

function plain(value: AnyValue): AttributeValue | bigint {
  if (value.stringValue != null) return value.stringValue;
  if (value.boolValue != null) return value.boolValue;
  if (value.doubleValue != null) return value.doubleValue;
  if (value.arrayValue != null) return value.arrayValue.values.map((item) => String(plain(item)));
  if (value.intValue != null) {
    const exact = BigInt(value.intValue.toString());
    return Number.isSafeInteger(Number(exact)) ? Number(exact) : exact;
  }
  throw new TypeError(`attribute value of an unexpected type: ${JSON.stringify(value)}`);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}
