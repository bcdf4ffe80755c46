/** What requests to test/fixtures/go-link must give. Their calls and statements carry the id of the request that they are made for. */
import { RawConnection } from '../support/http.ts';
import type { DecodedSpan } from '../support/otlp-receiver.ts';
import type { LinkProgram } from './go-link-world.ts';

type Parent = 'request' | 'none';

/** Routes of test/fixtures/go-link/ways.go, and the right parents of their calls, by hop. */
const ways: Readonly<Record<string, Readonly<Record<string, Parent>>>> = {
  same: { 0: 'request' },
  'same-no-context': { 0: 'request' },
  'three-in-a-row': { 0: 'request', 1: 'request', 2: 'request' },
  go: { 0: 'request' },
  'go-no-context': { 0: 'request' },
  'go-go': { 0: 'request' },
  group: { 0: 'request', 1: 'request', 2: 'request' },
  pool: { 0: 'request' },
  'pool-no-context': { 0: 'none' },
  'pool-value': { 0: 'request' },
  'pool-cancel': { 0: 'request' },
  'pool-timeout': { 0: 'request' },
  'pool-without-cancel': { 0: 'request' },
  'pool-cause': { 0: 'request' },
  'pool-first': { 0: 'request' },
  'pool-later': { 0: 'request' },
  'pool-later-value': { 0: 'request' },
  'pool-asked': { 0: 'request' },
  'pool-exchange': { 0: 'request' },
  'timeout-handler': { 0: 'request' },
  'timeout-handler-no-context': { 0: 'request' },
  proxy: { '': 'request' },
  'dialler-calls': { dialler: 'none', 0: 'request' },
  after: { 0: 'none' },
  'after-without': { 0: 'none', 1: 'none' },
  'during-with': { during: 'request', after: 'none' },
  'during-and-after': { during: 'request', after: 'none' },
};
export const wayNames = Object.keys(ways);

/**
 * Sends `count` requests over as many connections as `concurrent`, with every way in turn. Each connection serves `perConnection` of them.
 */
export async function load(app: LinkProgram, concurrent: number, count: number, perConnection = count): Promise<void> {
  let sent = 0;
  const worker = async () => {
    while (sent < count) {
      const connection = await RawConnection.open(app.port);
      for (let n = 0; n < perConnection && sent < count; n++) {
        const id = sent++;
        const { status } = await connection.request({ target: `/${wayNames[id % wayNames.length]}?id=${id}` });
        if (status !== 200) throw new Error(`request ${id}: ${status}`);
      }
      await connection.close();
    }
  };
  await Promise.all(Array.from({ length: concurrent }, worker));
}

/** The operations of a call with a table. The table's name ends in the id and the hop. */
const operations = [
  'SELECT query',
  'UPDATE exec',
  'PREPARE prepared',
  'SELECT prepared',
  'SELECT tx_query',
  'DELETE tx_exec',
];

/** The spans that requests 0 to `count` must give, each as a line with its parent. */
export interface Due {
  readonly server: number;
  readonly client: number;
  readonly sql: number;
  readonly lines: readonly string[];
}

/** What requests 0 to `count` must give. */
export function dueOf(count: number): Due {
  const calls: string[] = [];
  const statements: string[] = [];
  for (let id = 0; id < count; id++) {
    const way = wayNames[id % wayNames.length]!;
    for (const [hop, parent] of Object.entries(ways[way]!)) {
      const owner = parent === 'request' ? String(id) : undefined;
      calls.push(line(`GET ${id} ${hop}`, owner));
      // A reverse proxy has no code of the program's own.
      if (way === 'proxy') continue;
      for (const operation of operations) statements.push(line(`${operation}_${id}_${hop}`, owner));
      statements.push(line('BEGIN', owner), line('COMMIT', owner));
    }
  }
  return { server: count, client: calls.length, sql: statements.length, lines: [...calls, ...statements] };
}

/** What is wrong with the spans: lines of spans that are missing, and of spans that should not be there. */
export function differences(server: readonly DecodedSpan[], made: readonly DecodedSpan[], due: Due) {
  const requests = new Map(server.map((span) => [span.spanId, span]));
  const left = new Map<string, number>();
  for (const each of due.lines) left.set(each, (left.get(each) ?? 0) + 1);
  const unexpected: string[] = [];
  for (const span of made) {
    const request = requests.get(span.parentSpanId ?? '');
    const strange = span.parentSpanId !== undefined && request?.traceId !== span.traceId;
    const each = line(callOf(span), strange ? 'another trace' : request && idOf(request));
    const times = left.get(each) ?? 0;
    if (times === 0) unexpected.push(each);
    else if (times === 1) left.delete(each);
    else left.set(each, times - 1);
  }
  return { missing: [...left.keys()], unexpected };
}

const line = (call: string, owner: string | undefined) => `${call}: of ${owner ?? 'none'}`;

function callOf({ name, attributes }: DecodedSpan): string {
  if (attributes['url.full'] === undefined) return name;
  const { searchParams } = new URL(String(attributes['url.full']));
  return `${name} ${searchParams.get('id')} ${searchParams.get('hop') ?? ''}`;
}

/** The id of the request of a server span. */
export const idOf = ({ attributes }: DecodedSpan) => new URLSearchParams(String(attributes['url.query'])).get('id')!;
