import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { SpanKind } from '../../src/contract/span.ts';
import { Losses } from '../../src/otel/losses.ts';
import { openSpanExporter } from '../../src/otel/open-span-exporter.ts';
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
