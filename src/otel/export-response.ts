import { bytesField, fieldValues, isMessage, numberField } from './protobuf-fields.ts';
import { decodeUtf8 } from './utf8.ts';

/** `partial_success` of an encoded `ExportTraceServiceResponse` (opentelemetry/proto/collector/trace/v1/trace_service.proto). */
export interface PartialSuccess {
  /** Spans that a collector refused although the request succeeded. */
  readonly rejected: number;
  /** Why, or a warning about spans that it took. */
  readonly message: string;
}

/** What an encoded `ExportTraceServiceResponse` says. Undefined if the bytes are no message, and so no answer of a collector. */
export function partialSuccess(response: Uint8Array): PartialSuccess | undefined {
  if (!isMessage(response)) return undefined;
  const partial = bytesField(response, 1);
  return { rejected: numberField(partial, 1), message: textField(partial, 2) };
}

/** `message` of an encoded `google.rpc.Status`, which is the body of an HTTP answer that refuses. Empty if there is none. */
export function statusMessage(status: Uint8Array): string {
  return textField(status, 2);
}

/**
 * The pause that a `google.rpc.RetryInfo` in the details of an encoded `google.rpc.Status` asks for, in ms. Undefined without one. gRPC
 * puts that status into the trailer `grpc-status-details-bin` (OTLP specification, "OTLP/gRPC Throttling").
 */
export function retryInfoMs(status: Uint8Array): number | undefined {
  for (const detail of fieldValues(status, 3)) {
    if (!(detail instanceof Uint8Array)) continue;
    if (!textField(detail, 1).endsWith('/google.rpc.RetryInfo')) continue;
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

function textField(message: Uint8Array, wanted: number): string {
  const text = bytesField(message, wanted);
  return decodeUtf8(text, 0, text.length);
}
