import type { ExportSettings } from '../contract/export-settings.ts';
import type { ClockedSpanWriter } from '../otel/clocked-span-writer.ts';
import { type SpanOutput, spanTreeOutput, type TextStream } from '../otel/console-output.ts';
import { jsonLinesOutput } from '../otel/json-output.ts';
import type { Losses, Notify } from '../otel/losses.ts';
import { ObjectSpanWriter } from '../otel/object-span-writer.ts';
import { openSpanExporter } from '../otel/open-span-exporter.ts';
import type { SpanExporter } from '../otel/span-exporter.ts';
import { TeeSpanWriter } from '../otel/tee-span-writer.ts';
import { coloursOf } from '../settings/colours.ts';
import { agentVersion } from './agent-version.ts';
import { stdout } from './stdout.ts';

export interface Outputs {
  readonly writer: ClockedSpanWriter;
  readonly exporter: SpanExporter | undefined;
  /** Prints what is held back, and waits until it is out. @throws UspanError E_OUTPUT */
  flush(withinMs: number): Promise<void>;
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
  const printed = openPrinted(options.json, options.console || both, losses);
  const printer = printed && new ObjectSpanWriter((span) => printed.add(span));
  const writer =
    exporter && printer
      ? new TeeSpanWriter(exporter.writer, printer)
      : (exporter?.writer ?? printer ?? new ObjectSpanWriter(() => {}));
  return {
    writer,
    exporter,
    async flush(withinMs) {
      printed?.flush();
      if (printed) await stdout.finish(withinMs);
    },
  };
}

function openPrinted(json: boolean, tree: boolean, losses: Losses): SpanOutput | undefined {
  const stream: TextStream = {
    isTTY: stdout.isTTY,
    get columns() {
      return stdout.columns;
    },
    write(text, spans) {
      if (stdout.write(text)) return;
      if (stdout.failure) losses.add('output', 'write_failed', spans);
      else if (!stdout.ended) losses.add('output', 'reader_slow', spans);
    },
  };
  if (json) return jsonLinesOutput(stream);
  return tree ? spanTreeOutput(stream, coloursOf(stream)) : undefined;
}
