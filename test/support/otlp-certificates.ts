import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Paths of PEM files, and their removal. */
export interface Certificates {
  readonly ca: string;
  readonly server: { readonly cert: string; readonly key: string };
  readonly client: { readonly cert: string; readonly key: string };
  remove(): void;
}

/** A throw-away authority with a server certificate for 127.0.0.1 and a client certificate, made by openssl in a temp directory. */
export function makeCertificates(): Certificates {
  const directory = mkdtempSync(join(tmpdir(), 'uspan-certificates-'));
  const path = (name: string): string => join(directory, name);
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { stdio: 'pipe' });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'];
  openssl('req', '-x509', ...newKey, '-subj', '/CN=test authority', '-keyout', path('ca.key'), '-out', path('ca.pem'));
  const issue = (name: string, extension: string): { cert: string; key: string } => {
    const [cert, key] = [path(`${name}.pem`), path(`${name}.key`)];
    writeFileSync(path(`${name}.ext`), extension);
    openssl('req', ...newKey, '-subj', `/CN=${name}`, '-keyout', key, '-out', path(`${name}.csr`));
    const authority = ['-CA', path('ca.pem'), '-CAkey', path('ca.key'), '-CAcreateserial', '-days', '1'];
    openssl('x509', '-req', '-in', path(`${name}.csr`), ...authority, '-extfile', path(`${name}.ext`), '-out', cert);
    return { cert, key };
  };
  return {
    ca: path('ca.pem'),
    server: issue('server', 'subjectAltName=IP:127.0.0.1'),
    client: issue('client', 'extendedKeyUsage=clientAuth'),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** The `tls` option of a receiver that requires a client certificate of the same authority. */
export function mutualTls({ ca, server }: Certificates): { cert: string; key: string; clientCa: string } {
  const read = (path: string): string => readFileSync(path, 'utf8');
  return { cert: read(server.cert), key: read(server.key), clientCa: read(ca) };
}
