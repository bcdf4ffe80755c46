import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { exitCodeOf } from '../../src/cli/exit-codes.ts';
import { describeError } from '../../src/contract/errors.ts';
import type { OtlpTls } from '../../src/contract/export-settings.ts';
import { SpanKind } from '../../src/contract/span.ts';
import { Losses } from '../../src/otel/losses.ts';
import { openSpanExporter } from '../../src/otel/open-span-exporter.ts';
import { openOtlpTransport } from '../../src/otel/otlp-transport.ts';
import { type Certificates, makeCertificates, mutualTls } from '../support/otlp-certificates.ts';
import { startOtlpReceiver } from '../support/otlp-receiver.ts';
import { slabWith } from '../support/otlp-slab.ts';
import { readExportSettings } from '../support/settings.ts';

let certificates: Certificates;
beforeAll(() => {
  certificates = makeCertificates();
});
afterAll(() => certificates.remove());
afterEach(() => vi.unstubAllEnvs());

async function exportOneSpan(protocol: 'grpc' | 'http/protobuf') {
  const exporter = await openSpanExporter({
    ...readExportSettings({ ...process.env, OTEL_EXPORTER_OTLP_PROTOCOL: protocol, OTEL_EXPORTER_OTLP_TIMEOUT: '500' }),
    version: '0',
    losses: new Losses(),
    notify: () => {},
  });
  exporter.writer.begin(slabWith({}).slab, 0, { attributes: {} }, SpanKind.server);
  exporter.writer.end();
  await exporter.shutdown(3000);
  return exporter.state();
}

for (const protocol of ['grpc', 'http/protobuf'] as const) {
  test(`${protocol}: mutual TLS from the environment`, async () => {
    await using receiver = await startOtlpReceiver({ protocol, tls: mutualTls(certificates) });
    vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', receiver.endpoint);
    vi.stubEnv('OTEL_EXPORTER_OTLP_CERTIFICATE', certificates.ca);
    vi.stubEnv('OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE', certificates.client.cert);
    vi.stubEnv('OTEL_EXPORTER_OTLP_CLIENT_KEY', certificates.client.key);
    expect(await exportOneSpan(protocol)).toMatchObject({ exported: 1 });
    expect(receiver.spanCount).toBe(1);
  });

  test(`${protocol}: an authority that is not trusted, or no client certificate, sends nothing`, async () => {
    await using receiver = await startOtlpReceiver({ protocol, tls: mutualTls(certificates) });
    vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', receiver.endpoint);
    expect(await exportOneSpan(protocol)).toMatchObject({ exported: 0 });
    vi.stubEnv('OTEL_EXPORTER_OTLP_CERTIFICATE', certificates.ca);
    expect(await exportOneSpan(protocol)).toMatchObject({ exported: 0 });
    expect(receiver.requests).toHaveLength(0);
  });
}

describe('files that cannot be used are refused before anything is sent', () => {
  const refusal = async (tls: Partial<OtlpTls>) => {
    const { otlp } = readExportSettings({ OTEL_EXPORTER_OTLP_ENDPOINT: 'https://127.0.0.1:1' });
    const error: unknown = await openOtlpTransport({ ...otlp, tls: { ...otlp.tls!, ...tls } }, 'uspan/0').catch(
      (e) => e,
    );
    expect(exitCodeOf(error)).toBe(2);
    return describeError(error);
  };

  test('a file that is no certificate, also behind a good one', async () => {
    const { ca, client } = certificates;
    expect(await refusal({ caFile: client.key })).toMatch(
      /^E_USAGE: the certificate .* has no PEM block \(.*client\.key/,
    );
    const damaged = `${ca}.damaged`;
    writeFileSync(damaged, `${readFileSync(ca, 'utf8')}${readFileSync(ca, 'utf8').replace(/M/g, 'N')}`);
    expect(await refusal({ caFile: damaged })).toMatch(
      /^E_USAGE: the certificate of the authorities .* cannot be used/,
    );
    expect(await refusal({ certFile: damaged, keyFile: client.key })).toMatch(
      /^E_USAGE: the certificate of the client/,
    );
  });

  test('a key of another certificate, none, or a file that is no key', async () => {
    const { client, server } = certificates;
    expect(await refusal({ certFile: client.cert, keyFile: server.key })).toMatch(
      /^E_USAGE: the key .* cannot be used/,
    );
    expect(await refusal({ certFile: client.cert, keyFile: client.cert })).toMatch(
      /^E_USAGE: the key .* cannot be used/,
    );
    expect(await refusal({ certFile: client.cert })).toMatch(/^E_USAGE: .* must be given together/);
    expect(await refusal({ keyFile: client.key })).toMatch(/^E_USAGE: .* must be given together/);
  });

  test('what is no regular file', async () => {
    expect(await refusal({ caFile: '/dev/zero' })).toMatch(/^E_USAGE: .* cannot be read \(\/dev\/zero\)/);
    expect(await refusal({ caFile: '/nowhere/ca.pem' })).toContain('ENOENT');
  });
});
