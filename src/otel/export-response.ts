import { bytesField, fieldValues, numberField } from './protobuf-fields.ts';
import { decodeUtf8 } from './utf8.ts';

/**
 * Number of spans that a collector refused although the request succeeded: `partial_success.rejected_spans` of an encoded
 * `ExportTraceServiceResponse` (opentelemetry/proto/collector/trace/v1/trace_service.proto). 0 for anything unreadable.
 */
export function rejectedSpans(response: Uint8Array): number {
  return numberField(bytesField(response, 1), 1);
}

/** `message` of an encoded `google.rpc.Status`, which is the body of an HTTP answer that refuses. Empty if there is none. */
export function statusMessage(status: Uint8Array): string {
  const message = bytesField(status, 2);
  return decodeUtf8(message, 0, message.length);
}

/**
 * The pause that a `google.rpc.RetryInfo` in the details of an encoded `google.rpc.Status` asks for, in ms. Undefined without one. gRPC
 * puts that status into the trailer `grpc-status-details-bin` (OTLP specification, "OTLP/gRPC Throttling").
 */
export function retryInfoMs(status: Uint8Array): number | undefined {
  for (const detail of fieldValues(status, 3)) {
    if (!(detail instanceof Uint8Array)) continue;
    const typeUrl = bytesField(detail, 1);
    if (!decodeUtf8(typeUrl, 0, typeUrl.length).endsWith('/google.rpc.RetryInfo')) continue;
    const delay = bytesField(bytesField(detail, 2), 1); // RetryInfo.retry_delay, a google.protobuf.Duration
    return numberField(delay, 1) * 1000 + Math.ceil(numberField(delay, 2) / 1e6);
  }
  return undefined;
}

/** `Retry-After` in ms from now, for a number of seconds or a date (RFC 9110 §10.2.3). Undefined if there is none, or it is unreadable. */
export function retryAfterMs(header: string | undefined, unixNowMs: number): number | undefined {
  if (header === undefined) return undefined;
  const ms = /^\d{1,9}$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - unixNowMs;
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}
