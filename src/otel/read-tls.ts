import { X509Certificate } from 'node:crypto';
import { UspanError } from '../contract/errors.ts';
import type { OtlpTls } from '../contract/export-settings.ts';
import { readSmallFile } from '../contract/read-small-file.ts';

/** PEM texts. */
export interface TlsFiles {
  readonly ca: Buffer | undefined;
  readonly cert: Buffer | undefined;
  readonly key: Buffer | undefined;
}

/** The bundle of a distribution has a quarter of a megabyte. */
const maxBytes = 4 * 1024 * 1024;

/**
 * Reads the files and tries to use them, because a handshake that fails an hour later does not say which file is wrong.
 * @throws UspanError E_USAGE that names the file
 */
export function readTls({ caFile, certFile, keyFile }: OtlpTls): TlsFiles {
  const ca = readCertificates(caFile, 'of the authorities to trust');
  const cert = readCertificates(certFile, 'of the client');
  const key = read(keyFile, 'the key of the client certificate');
  if ((cert === undefined) !== (key === undefined)) {
    throw new UspanError('E_USAGE', 'a client certificate and its key must be given together', {
      on: certFile ?? keyFile!,
      fix: 'OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY name them',
    });
  }
  if (cert && key) {
    try {
      // It fails for a key that cannot be read, and for the key of another certificate.
      process.getBuiltinModule('node:tls').createSecureContext({ cert, key });
    } catch (cause) {
      throw new UspanError('E_USAGE', 'the key of the client certificate cannot be used', { on: keyFile!, cause });
    }
  }
  return { ca, cert, key };
}

/** All certificates of a file, one behind the other. OpenSSL skips what it cannot read, so each is tried here. */
function readCertificates(path: string | undefined, whose: string): Buffer | undefined {
  const bytes = read(path, `the certificate ${whose}`);
  if (bytes === undefined) return undefined;
  const blocks = bytes
    .toString('latin1')
    .match(/-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[\s\S]*?-----END [^-]+-----/g);
  if (!blocks) throw new UspanError('E_USAGE', `the certificate ${whose} has no PEM block`, { on: path! });
  for (const block of blocks) {
    try {
      new X509Certificate(block);
    } catch (cause) {
      throw new UspanError('E_USAGE', `the certificate ${whose} cannot be used`, { on: path!, cause });
    }
  }
  return bytes;
}

function read(path: string | undefined, what: string): Buffer | undefined {
  if (path === undefined) return undefined;
  try {
    return readSmallFile(path, maxBytes);
  } catch (cause) {
    throw new UspanError('E_USAGE', `${what} cannot be read`, { on: path, cause });
  }
}
