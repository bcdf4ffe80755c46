import type { BatchSettings, OtlpSettings } from '../contract/export-settings.ts';
import type { Losses, Notify } from './losses.ts';
import { openOtlpTransport } from './otlp-transport.ts';
import { SpanExporter } from './span-exporter.ts';

/** Schema of the attributes that uspan writes: the release of @opentelemetry/semantic-conventions in package.json (a test compares). */
export const schemaUrl = 'https://opentelemetry.io/schemas/1.45.0';

export interface OpenSpanExporterOptions {
  readonly otlp: OtlpSettings;
  readonly batch: BatchSettings;
  /** The agent's version, for the scope and User-Agent. */
  readonly version: string;
  readonly losses: Losses;
  readonly notify: Notify;
}

/**
 * An exporter to an OTLP collector. It sends nothing yet, so an unreachable collector is not an error here.
 * @throws UspanError E_USAGE if the settings are not allowed
 */
export async function openSpanExporter(options: OpenSpanExporterOptions): Promise<SpanExporter> {
  const { otlp, batch, version, losses, notify } = options;
  const transport = await openOtlpTransport(otlp, `uspan/${version}`);
  const secrets = Object.values(otlp.headers);
  return new SpanExporter({ transport, secrets, scope: { name: 'uspan', version, schemaUrl }, batch, losses, notify });
}
