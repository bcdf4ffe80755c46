import type { BatchSettings, OtlpSettings } from '../contract/export-settings.ts';
import type { Losses, Notify } from './losses.ts';
import { openOtlpTransport } from './otlp-transport.ts';
import { SpanExporter } from './span-exporter.ts';

/** Schema of the attributes we write: the release of @opentelemetry/semantic-conventions in package.json (a test compares). */
export const schemaUrl = 'https://opentelemetry.io/schemas/1.45.0';

export interface OpenSpanExporterOptions {
  readonly otlp: OtlpSettings;
  readonly batch: BatchSettings;
  /** The agent's version, for scope and User-Agent. */
  readonly version: string;
  readonly losses: Losses;
  readonly notify: Notify;
}

/**
 * An exporter to an OTLP collector. Nothing is sent yet, so an unreachable collector is no error here.
 * @throws UspanError E_USAGE on settings that cannot be followed
 */
export async function openSpanExporter(options: OpenSpanExporterOptions): Promise<SpanExporter> {
  const { otlp, batch, version, losses, notify } = options;
  const transport = await openOtlpTransport(otlp, `uspan/${version}`);
  return new SpanExporter({ transport, scope: { name: 'uspan', version, schemaUrl }, batch, losses, notify });
}
