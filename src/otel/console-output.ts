import type { Colors } from 'picocolors/types.js';
import { terminalLine } from '../contract/terminal-line.ts';
import type { SpanObject } from './span-object.ts';
import { renderTrace } from './span-tree.ts';
import { TraceGatherer, type TraceGathererLimits } from './trace-gatherer.ts';

/** Where spans are shown to people or programs. */
export interface SpanOutput {
  add(span: SpanObject): void;
  /** Writes what is still held back. */
  flush(): void;
}

/** The part of stdout that is needed. */
export interface TextStream {
  /** `spans`: how many the text shows. */
  write(text: string, spans: number): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

/** `--console`: span trees, in `colours`. */
export function spanTreeOutput(stream: TextStream, colours: Colors, limits?: TraceGathererLimits): SpanOutput {
  const terminal = stream.isTTY === true;
  return new TraceGatherer((spans) => {
    const columns = terminal ? (stream.columns ?? 120) : Number.POSITIVE_INFINITY;
    const lines = renderTrace(spans, { colours, columns }).map(terminalLine);
    stream.write(`${lines.join('\n')}\n`, spans.length);
  }, limits);
}
