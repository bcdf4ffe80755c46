/**
 * The official OTLP messages as protobufjs classes. @opentelemetry/otlp-transformer contained the code generated from opentelemetry-proto
 * up to 0.208. `otlp-protos` in package.json is that release, used here only as an oracle for decoding.
 */
import { createRequire } from 'node:module';
import root from 'otlp-protos/build/src/generated/root.js';

/** protobufjs' int64: a `Long`, or a number if it fits. */
export type Int64 = number | { toString(): string };

export interface AnyValue {
  stringValue?: string | null;
  boolValue?: boolean | null;
  intValue?: Int64 | null;
  doubleValue?: number | null;
  arrayValue?: { values: AnyValue[] } | null;
  bytesValue?: Uint8Array | null;
}

export interface KeyValue {
  key: string;
  value: AnyValue;
}

export interface ProtoSpan {
  traceId: Uint8Array;
  spanId: Uint8Array;
  parentSpanId: Uint8Array | null;
  traceState: string | null;
  name: string;
  kind: number;
  startTimeUnixNano: Int64;
  endTimeUnixNano: Int64;
  attributes: KeyValue[];
  status: { code?: number; message?: string } | null;
  flags: number | null;
}

export interface ProtoRequest {
  resourceSpans: {
    resource: { attributes: KeyValue[] };
    scopeSpans: { scope: { name: string; version: string }; spans: ProtoSpan[]; schemaUrl: string }[];
    schemaUrl: string;
  }[];
}

interface ProtoReader {
  bytes(): Uint8Array;
  string(): string;
}

interface MessageType<T> {
  decode(from: Uint8Array | ProtoReader): T;
  encode(message: object): { finish(): Uint8Array };
}

type Messages = {
  ExportTraceServiceRequest: MessageType<ProtoRequest>;
  ExportTraceServiceResponse: MessageType<{ partialSuccess?: { rejectedSpans?: Int64; errorMessage?: string } }>;
};

export const { ExportTraceServiceRequest, ExportTraceServiceResponse } = (
  root as unknown as { opentelemetry: { proto: { collector: { trace: { v1: Messages } } } } }
).opentelemetry.proto.collector.trace.v1;

const require = createRequire(createRequire(import.meta.url).resolve('otlp-protos/build/src/generated/root.js'));
const { Reader } = require('protobufjs/minimal') as { Reader: new (bytes: Uint8Array) => ProtoReader };
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** protobufjs reads bad UTF-8 silently. Go's protobuf refuses the whole message, and so does this reader. */
export class StrictReader extends Reader {
  override string(): string {
    return utf8.decode(this.bytes());
  }
}
