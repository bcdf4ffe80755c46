import { readFileSync } from 'node:fs';
import { UspanError } from '../contract/errors.ts';
import type { OtlpSettings, OtlpTls } from '../contract/export-settings.ts';
import type { ExportRequest } from './export-request.ts';

/** What became of a request. `retry`: the collector took nothing, and sending it again may help. */
export type SendResult =
  | { readonly outcome: 'sent'; readonly rejected: number }
  | { readonly outcome: 'failed'; readonly retry: false; readonly error: Error }
  | {
      readonly outcome: 'failed';
      readonly retry: true;
      /** The pause that the collector asked for. */
      readonly retryAfterMs: number | undefined;
      readonly error: Error;
    };

/** One connection, or a few, to a collector. It sends a request once. Its user decides when to try again. */
export interface OtlpTransport {
  /** Never rejects. The bytes must not change until the result is `sent`, because a socket may hold those of a request that failed. */
  send(request: ExportRequest): Promise<SendResult>;
  /** Closes connections when running requests have ended. */
  close(): Promise<void>;
}

/** PEM texts. */
export interface TlsFiles {
  readonly ca: Buffer | undefined;
  readonly cert: Buffer | undefined;
  readonly key: Buffer | undefined;
}

/**
 * The transport of the settings' protocol. Only its code is loaded, because gRPC takes some 25 MB.
 * @param userAgent e.g. `uspan/1.2.3`
 * @throws UspanError E_USAGE if a certificate or key cannot be read
 */
export async function openOtlpTransport(settings: OtlpSettings, userAgent: string): Promise<OtlpTransport> {
  const tls = settings.tls && readTls(settings.tls);
  if (settings.protocol === 'grpc') {
    return (await import('./grpc-transport.ts')).openGrpcTransport(settings, tls, userAgent);
  }
  return (await import('./http-transport.ts')).openHttpTransport(settings, tls, userAgent);
}

function readTls({ caFile, certFile, keyFile }: OtlpTls): TlsFiles {
  return { ca: readPem(caFile), cert: readPem(certFile), key: readPem(keyFile) };
}

function readPem(path: string | undefined): Buffer | undefined {
  try {
    return path === undefined ? undefined : readFileSync(path);
  } catch (cause) {
    throw new UspanError('E_USAGE', 'a certificate or key of the OTLP export cannot be read', { on: path!, cause });
  }
}
