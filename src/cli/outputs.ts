import { once } from 'node:events';
import type { ExportSettings } from '../contract/export-settings.ts';
import type { ClockedSpanWriter } from '../otel/clocked-span-writer.ts';
import { type SpanOutput, spanTreeOutput } from '../otel/console-output.ts';
import { jsonLinesOutput } from '../otel/json-output.ts';
import type { Losses, Notify } from '../otel/losses.ts';
import { ObjectSpanWriter } from '../otel/object-span-writer.ts';
import { openSpanExporter } from '../otel/open-span-exporter.ts';
import type { SpanExporter } from '../otel/span-exporter.ts';
import { TeeSpanWriter } from '../otel/tee-span-writer.ts';
import { coloursOf } from '../settings/colours.ts';
import { agentVersion } from './agent-version.ts';

export interface Outputs {
  readonly writer: ClockedSpanWriter;
  readonly exporter: SpanExporter | undefined;
  /** Prints what is held back, and waits until it is out. */
  flush(): Promise<void>;
}

export interface OutputOptions {
  readonly console: boolean;
  readonly json: boolean;
  /**
   * Whether to send by OTLP, unless the settings say no (`OTEL_TRACES_EXPORTER=none`). When false, they can still ask for both
   * (`otlp,console`).
   */
  readonly otlp: boolean;
  readonly export: ExportSettings;
  readonly losses: Losses;
  readonly notify: Notify;
}

/** Where spans go, by the settings. @throws UspanError E_USAGE if a certificate cannot be read */
export async function openOutputs(options: OutputOptions): Promise<Outputs> {
  const { export: settings, losses, notify } = options;
  const both = settings.exporters.includes('console');
  const exporter =
    settings.exporters.includes('otlp') && (options.otlp || both)
      ? await openSpanExporter({ ...settings, version: agentVersion(), losses, notify })
      : undefined;
  const printed = openPrinted(options.json, options.console || both);
  const printer = printed && new ObjectSpanWriter((span) => printed.add(span));
  const writer =
    exporter && printer
      ? new TeeSpanWriter(exporter.writer, printer)
      : (exporter?.writer ?? printer ?? new ObjectSpanWriter(() => {}));
  return {
    writer,
    exporter,
    async flush() {
      printed?.flush();
      if (process.stdout.writableNeedDrain) await once(process.stdout, 'drain');
    },
  };
}

function openPrinted(json: boolean, tree: boolean): SpanOutput | undefined {
  if (json) return jsonLinesOutput(process.stdout);
  return tree ? spanTreeOutput(process.stdout, coloursOf(process.stdout)) : undefined;
}
