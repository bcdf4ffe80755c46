import type { OtlpSettings } from '../contract/export-settings.ts';
import type { ExportRequest } from './export-request.ts';
import { readTls } from './read-tls.ts';

/** What became of a request. `retry`: the collector took nothing, as far as one can know, and sending it again may help. */
export type SendResult =
  | {
      readonly outcome: 'sent';
      readonly rejected: number;
      /** What the collector said of a partial success, or a warning that it gave with a full one. */
      readonly message: string;
    }
  | {
      readonly outcome: 'failed';
      readonly retry: false;
      /** The collector takes no request of this size. */
      readonly tooLarge: boolean;
      readonly failure: SendFailure;
    }
  | {
      readonly outcome: 'failed';
      readonly retry: true;
      /** The pause that the collector asked for. */
      readonly retryAfterMs: number | undefined;
      readonly failure: SendFailure;
    };

/** Why a request failed, for people. */
export interface SendFailure {
  /** `HTTP 503`, `UNAVAILABLE`, `ECONNREFUSED`: the same for failures of one kind. */
  readonly status: string;
  /** What the collector or the system said of it. It comes from others, and may be empty. */
  readonly detail: string;
}

/** One connection, or a few, to a collector. It sends a request once. Its user decides when to try again. */
export interface OtlpTransport {
  /** Where requests go, for people: without user, password and query, which may hold secrets. */
  readonly endpoint: string;
  /** Never rejects. The bytes must not change until the result is `sent`, because a socket may hold those of a request that failed. */
  send(request: ExportRequest): Promise<SendResult>;
  /** Closes connections when running requests have ended. */
  close(): Promise<void>;
}

/**
 * The transport of the settings' protocol. Only its code is loaded, because gRPC takes some 25 MB.
 * @param userAgent e.g. `uspan/1.2.3`
 * @throws UspanError E_USAGE if a certificate or key cannot be read or used
 */
export async function openOtlpTransport(settings: OtlpSettings, userAgent: string): Promise<OtlpTransport> {
  const tls = settings.tls && readTls(settings.tls);
  if (settings.protocol === 'grpc') {
    return (await import('./grpc-transport.ts')).openGrpcTransport(settings, tls, userAgent);
  }
  return (await import('./http-transport.ts')).openHttpTransport(settings, tls, userAgent);
}
