import type { Colors } from 'picocolors/types.js';
import { printable } from '../contract/printable.ts';
import { StatusCode } from '../contract/span.ts';
import { formatDuration } from './format-duration.ts';
import type { SpanObject } from './span-object.ts';

export interface SpanTreeStyle {
  readonly colours: Colors;
  /** Longest line. Longer ones lose attributes at their end. */
  readonly columns: number;
}

const kindNames = ['', 'internal', 'server', 'client', 'producer', 'consumer'];
/** Least width of service and name together, so that the columns of most traces agree. */
const leftColumns = 46;
const leastServiceColumns = 12;

/** The attributes that say most about a span, in the order shown. Their values speak for themselves. */
const mainAttributes = [
  'http.response.status_code',
  'rpc.grpc.status_code',
  'db.response.status_code',
  'url.path',
  'url.full',
  'db.query.text',
  'messaging.destination.name',
];

interface Row {
  readonly span: SpanObject;
  /** Tree lines in front of the name. */
  readonly branch: string;
}

/**
 * The lines of one trace: services, the tree of names, kinds, durations right-aligned, then status and main attributes.
 *
 *     16:40:12.345  shop  GET /items/{id}            server     12.4 ms  200 /items/7
 *                   cart  └─ POST /cart              server     8.10 ms  503 /cart ✗ broken
 */
export function renderTrace(spans: readonly SpanObject[], { colours, columns }: SpanTreeStyle): string[] {
  const rows = treeRows(spans);
  const time = clock(rows[0]!.span.startUnixNs);
  const services = rows.map(({ span }) => printable(serviceName(span), 24));
  const serviceColumns = Math.max(...services.map((service) => service.length), leastServiceColumns);
  const names = rows.map(({ span, branch }) => branch + printable(span.name || '(no name)', 80));
  const nameColumns = Math.max(...names.map((name) => name.length), leftColumns - serviceColumns);
  return rows.map(({ span, branch }, i) => {
    const failed = span.status.code === StatusCode.error;
    const name = names[i]!.slice(branch.length);
    const duration = formatDuration(Number(span.endUnixNs - span.startUnixNs)).padStart(10);
    const start = i === 0 ? time : ' '.repeat(time.length);
    const fixed = `${start}  ${services[i]!.padEnd(serviceColumns)}  ${''.padEnd(nameColumns)}  ${''.padEnd(8)}${duration}  `;
    const failure = failed ? `✗ ${failureText(span)}`.trimEnd() : '';
    const room = columns - fixed.length - (failure ? failure.length + 2 : 0);
    const details = cut(detailText(span), room);
    return [
      `${colours.dim(start)}  ${colours.cyan(services[i]!.padEnd(serviceColumns))}  `,
      `${colours.dim(branch)}${failed ? colours.red(name) : colours.bold(name)}${' '.repeat(nameColumns - names[i]!.length)}  `,
      `${colours.dim((kindNames[span.kind] ?? '').padEnd(8))}${failed ? colours.red(duration) : duration}`,
      details && `  ${colours.dim(details)}`,
      failure && `  ${colours.red(failure)}`,
    ]
      .join('')
      .trimEnd();
  });
}

/** Depth first, children by start. A span is a root if its parent is not here, or if its parents form a circle. */
function treeRows(spans: readonly SpanObject[]): Row[] {
  const ordered = spans.toSorted((a, b) =>
    a.startUnixNs < b.startUnixNs ? -1 : a.startUnixNs > b.startUnixNs ? 1 : 0,
  );
  const ids = new Set(ordered.map((span) => span.spanId));
  const isRoot = ({ parentSpanId }: SpanObject): boolean => parentSpanId === undefined || !ids.has(parentSpanId);
  const children = Map.groupBy(
    ordered.filter((span) => !isRoot(span)),
    (span) => span.parentSpanId,
  );
  const rows: Row[] = [];
  const seen = new Set<SpanObject>();
  const visit = (span: SpanObject, branch: string, indent: string): void => {
    if (seen.has(span)) return;
    seen.add(span);
    rows.push({ span, branch });
    const below = children.get(span.spanId) ?? [];
    for (const [i, child] of below.entries()) {
      const last = i === below.length - 1;
      visit(child, `${indent}${last ? '└─ ' : '├─ '}`, `${indent}${last ? '   ' : '│  '}`);
    }
  };
  for (const span of ordered) if (isRoot(span)) visit(span, '', '');
  for (const span of ordered) visit(span, '', '');
  return rows;
}

function serviceName({ resource }: SpanObject): string {
  return String(resource.attributes['service.name'] ?? 'unknown_service');
}

function failureText({ status, attributes }: SpanObject): string {
  const type = attributes['error.type'];
  const repeats = String(attributes['http.response.status_code'] ?? '') === type;
  return printable(status.message || (type === undefined || repeats ? '' : String(type)), 80);
}

function detailText({ attributes }: SpanObject): string {
  const values = mainAttributes.filter((key) => attributes[key] !== undefined).map((key) => String(attributes[key]));
  return printable(values.join(' '));
}

function cut(text: string, room: number): string {
  if (text.length <= room) return text;
  return room < 4 ? '' : `${text.slice(0, room - 1)}…`;
}

/** Local time with milliseconds. */
function clock(unixNs: bigint): string {
  const date = new Date(Number(unixNs / 1_000_000n));
  const two = (value: number): string => String(value).padStart(2, '0');
  const ms = String(date.getMilliseconds()).padStart(3, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${ms}`;
}
