import type { DecodedSpan } from './otlp-decode.ts';

/** A span as `--json` prints it: everything but the scope. */
export type ReportedSpan = Omit<DecodedSpan, 'scope'>;

const kinds = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'];
const statusCodes = ['unset', 'ok', 'error'];

/** The spans of `uspan run --json`, in the form of decoded spans of a collector. Throws on a line that is not a span. */
export function parseSpanLines(stdout: string): ReportedSpan[] {
  const whole = stdout.slice(0, stdout.lastIndexOf('\n') + 1);
  return whole.split('\n').filter(Boolean).map(parseSpanLine);
}

function parseSpanLine(line: string): ReportedSpan {
  const { kind, startTimeUnixNano, endTimeUnixNano, status, ...same } = JSON.parse(line);
  return {
    ...same,
    parentSpanId: same.parentSpanId,
    traceState: same.traceState ?? '',
    kind: indexIn(kinds, kind),
    startUnixNs: BigInt(startTimeUnixNano),
    endUnixNs: BigInt(endTimeUnixNano),
    status: { code: indexIn(statusCodes, status.code), message: status.message ?? '' },
  };
}

function indexIn(names: readonly string[], name: string): number {
  const index = names.indexOf(name);
  if (index < 0) throw new TypeError(`'${name}' is none of ${names.join(', ')}`);
  return index;
}
