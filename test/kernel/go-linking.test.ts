/** Which request a call belongs to: the app carries an id from each request into its calls, so that every parent can be checked. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunningAgent, startAgent } from '../support/agent.ts';
import { allGoReleases } from '../support/go-fixture.ts';
import { RawConnection } from '../support/http.ts';
import { leavesNothingInKernel } from '../support/kernel-leftovers.ts';
import { type DecodedSpan, type OtlpReceiver, startOtlpReceiver } from '../support/otlp-receiver.ts';
import { type LinkProgram, type LinkPrograms, spansByKind, startLinkPrograms } from './go-link-world.ts';
import { describeKernel } from './native-fixture.ts';

type Parent = 'request' | 'none';

/** Routes of test/fixtures/go-link/ways.go, and the parents due to their calls, by hop. */
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
  'during-and-after': { during: 'request', after: 'none' },
};
const wayNames = Object.keys(ways);

/** Sends `count` requests over as many connections as `concurrent`, every way in turn; each connection serves `perConnection` of them. */
async function load(app: LinkProgram, concurrent: number, count: number, perConnection = count): Promise<void> {
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

/** Every call due for requests 0 to `count`: `id hop` → its parent. */
function callsOf(count: number): Map<string, Parent> {
  const calls = new Map<string, Parent>();
  for (let id = 0; id < count; id++) {
    for (const [hop, parent] of Object.entries(ways[wayNames[id % wayNames.length]!]!))
      calls.set(`${id} ${hop}`, parent);
  }
  return calls;
}

function keyOf({ attributes }: DecodedSpan): string {
  const { searchParams } = new URL(String(attributes['url.full']));
  return `${searchParams.get('id')} ${searchParams.get('hop') ?? ''}`;
}

const idOf = ({ attributes }: DecodedSpan) => new URLSearchParams(String(attributes['url.query'])).get('id')!;

/** Compares every parent with the one that is due; all that differ, each with its way. */
function wrongParents(
  server: readonly DecodedSpan[],
  client: readonly DecodedSpan[],
  due: ReadonlyMap<string, Parent>,
) {
  const requests = new Map(server.map((span) => [idOf(span), span]));
  const idOfSpan = new Map(server.map((span) => [span.spanId, idOf(span)]));
  return client.flatMap((span) => {
    const call = keyOf(span);
    const [id = ''] = call.split(' ');
    const request = requests.get(id)!;
    const wanted = due.get(call) === 'request' ? request : undefined;
    const right = span.parentSpanId === wanted?.spanId && (wanted === undefined || span.traceId === wanted.traceId);
    const is = span.parentSpanId === undefined ? 'none' : `of request ${idOfSpan.get(span.parentSpanId)}`;
    return right ? [] : [`${wayNames[Number(id) % wayNames.length]} ${call}: ${is}`];
  });
}

describeKernel('which request a call belongs to, every Go release', () => {
  leavesNothingInKernel();
  let receiver: OtlpReceiver;
  let agent: RunningAgent;
  const programs = new Map<string, LinkPrograms>();
  const sent = 5 * wayNames.length;

  beforeAll(async () => {
    receiver = await startOtlpReceiver({ protocol: 'grpc' });
    for (const go of allGoReleases) programs.set(go, await startLinkPrograms(go));
    const pids = [...programs.values()].map(({ app }) => app.pid);
    agent = await startAgent({ endpoint: receiver.endpoint, protocol: 'grpc', pids });
  }, 900_000);
  afterAll(async () => {
    await agent.stop().catch(() => {});
    await Promise.all([...programs.values()].map((each) => each.close()));
    await receiver.close();
  });

  test.each(allGoReleases)('Go %s', async (go) => {
    const { app } = programs.get(go)!;
    await load(app, 2, sent);
    const due = callsOf(sent);
    const { server, client } = await spansByKind(receiver, app.pid, { server: sent, client: due.size });
    expect(client.map(keyOf).sort()).toEqual([...due.keys()].sort());
    expect(wrongParents(server, client, due)).toEqual([]);
  });

  test('a child goes with its parent’s trace and sampling', async () => {
    const { app } = programs.get('1.26')!;
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
    const connection = await RawConnection.open(app.port);
    const get = (flags: string, target: string) =>
      connection.request({ target, headers: { traceparent: `00-${traceId}-00f067aa0ba902b7-${flags}` } });
    await get('01', '/same?id=a');
    // Not sampled: neither the request nor what is done for it, by whatever goroutine.
    for (const way of ['same', 'go-no-context', 'pool', 'group']) await get('00', `/${way}?id=b`);
    await get('01', '/pool?id=c');
    await connection.close();
    const before = { server: sent, client: callsOf(sent).size };
    const spans = await spansByKind(receiver, app.pid, { server: before.server + 2, client: before.client + 2 });
    const server = spans.server.slice(before.server);
    const client = spans.client.slice(before.client);
    expect(server.map(({ parentSpanId, traceId }) => ({ parentSpanId, traceId }))).toEqual([
      { parentSpanId: '00f067aa0ba902b7', traceId },
      { parentSpanId: '00f067aa0ba902b7', traceId },
    ]);
    expect(client).toMatchObject(server.map(({ spanId }) => ({ traceId, parentSpanId: spanId, flags: 0x101 })));
  });

  test('nothing is lost', async () => {
    const { report } = await agent.stop();
    expect(report).toMatchObject({ lost: [], lostTotal: 0 });
  });
});

const loads = [
  { concurrent: 100, perConnection: 5000 },
  { concurrent: 200, perConnection: 5000 },
  // Goroutines and the memory of contexts are used again and again.
  { concurrent: 20, perConnection: 3 },
];
for (const { concurrent, perConnection } of loads)
  describeKernel(`${concurrent} requests at a time, ${perConnection} a connection at most`, () => {
    leavesNothingInKernel();
    let receiver: OtlpReceiver;
    let programs: LinkPrograms;
    let agent: RunningAgent;
    beforeAll(async () => {
      receiver = await startOtlpReceiver({ protocol: 'grpc' });
      programs = await startLinkPrograms('1.26', 'stripped', { GOGC: perConnection < 10 ? '5' : undefined });
      agent = await startAgent({ endpoint: receiver.endpoint, protocol: 'grpc', pids: [programs.app.pid] });
    }, 300_000);
    afterAll(async () => {
      await agent.stop().catch(() => {});
      await programs.close();
      await receiver.close();
    });

    test('5,000 requests: every span there, none doubled, every parent right', async () => {
      const count = 5000;
      const { app } = programs;
      await load(app, concurrent, count, perConnection);
      const due = callsOf(count);
      const { server, client } = await spansByKind(receiver, app.pid, { server: count, client: due.size }, 60_000);
      expect(app.stdout()).not.toContain('call failed');
      expect(new Set(server.map(idOf)).size).toBe(count);
      expect(new Set(client.map(keyOf))).toEqual(new Set(due.keys()));
      expect(wrongParents(server, client, due)).toEqual([]);
      const { report } = await agent.stop();
      expect(report).toMatchObject({
        spans: { server: count, client: due.size },
        exported: count + due.size,
        lost: [],
      });
      expect(report.counters).toMatchObject({ spans: count + due.size, end_without_start: 0, refired: 0, not_sent: 0 });
      const hits = (moment: string) =>
        report.probes.find((probe) => probe.definition === 'go/net/http/client' && probe.moment === moment)!.hits;
      expect([hits('start'), hits('end')]).toEqual([due.size, due.size]);
    }, 180_000);
  });
