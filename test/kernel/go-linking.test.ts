/**
 * Which request a call belongs to. The app carries an id from each request into its calls and statements, so that the test can check every
 * parent.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunningAgent, startAgent } from '../support/agent.ts';
import { allGoReleases } from '../support/go-fixture.ts';
import { RawConnection } from '../support/http.ts';
import { leavesNothingInKernel } from '../support/kernel-leftovers.ts';
import { type OtlpReceiver, startOtlpReceiver } from '../support/otlp-receiver.ts';
import { differences, dueOf, idOf, load, wayNames } from './go-link-oracle.ts';
import { type LinkPrograms, spansByKind, startLinkPrograms } from './go-link-world.ts';
import { describeKernel } from './native-fixture.ts';

describeKernel('which request a call belongs to, every Go release', () => {
  leavesNothingInKernel();
  let receiver: OtlpReceiver;
  let agent: RunningAgent;
  const programs = new Map<string, LinkPrograms>();
  const sent = 5 * wayNames.length;

  beforeAll(async () => {
    receiver = await startOtlpReceiver();
    for (const go of allGoReleases) programs.set(go, await startLinkPrograms(go));
    const pids = [...programs.values()].map(({ app }) => app.pid);
    agent = await startAgent({ endpoint: receiver.endpoint, pids });
  }, 900_000);
  afterAll(async () => {
    await agent.stop().catch(() => {});
    await Promise.all([...programs.values()].map((each) => each.close()));
    await receiver.close();
  });

  test.each(allGoReleases)('Go %s', async (go) => {
    const { app } = programs.get(go)!;
    await load(app, 2, sent);
    const due = dueOf(sent);
    const { server, client, sql } = await spansByKind(receiver, app.pid, due);
    expect(app.stdout()).not.toContain('call failed');
    expect(differences(server, [...client, ...sql], due)).toEqual({ missing: [], unexpected: [] });
  });

  test('a child goes with its parent’s trace and sampling', async () => {
    const { app } = programs.get('1.26')!;
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
    const connection = await RawConnection.open(app.port);
    const get = (flags: string, target: string) =>
      connection.request({ target, headers: { traceparent: `00-${traceId}-00f067aa0ba902b7-${flags}` } });
    await get('01', '/same?id=a');
    // Not sampled: neither the request nor what any goroutine does for it.
    for (const way of ['same', 'go-no-context', 'pool', 'group']) await get('00', `/${way}?id=b`);
    await get('01', '/pool?id=c');
    await connection.close();
    const before = dueOf(sent);
    const spans = await spansByKind(receiver, app.pid, {
      server: before.server + 2,
      client: before.client + 2,
      sql: before.sql + 2 * 8,
    });
    const server = spans.server.slice(before.server);
    const client = spans.client.slice(before.client);
    const sql = spans.sql.slice(before.sql);
    expect(server.map(({ parentSpanId, traceId }) => ({ parentSpanId, traceId }))).toEqual([
      { parentSpanId: '00f067aa0ba902b7', traceId },
      { parentSpanId: '00f067aa0ba902b7', traceId },
    ]);
    expect(client).toMatchObject(server.map(({ spanId }) => ({ traceId, parentSpanId: spanId, flags: 0x101 })));
    const [same, pool] = server.map(({ spanId }) => spanId);
    expect(sql.map(({ parentSpanId }) => parentSpanId)).toEqual([...Array(8).fill(same), ...Array(8).fill(pool)]);
  });

  test('nothing is lost', async () => {
    const { report } = await agent.stop();
    expect(report).toMatchObject({ lost: [], lostTotal: 0 });
  });
});

const loads = [
  { concurrent: 100, perConnection: 5000 },
  { concurrent: 200, perConnection: 5000 },
  // Goroutines and the memory of contexts are reused again and again.
  { concurrent: 20, perConnection: 3 },
];
for (const { concurrent, perConnection } of loads)
  describeKernel(`${concurrent} requests at a time, ${perConnection} a connection at most`, () => {
    leavesNothingInKernel();
    let receiver: OtlpReceiver;
    let programs: LinkPrograms;
    let agent: RunningAgent;
    beforeAll(async () => {
      receiver = await startOtlpReceiver();
      programs = await startLinkPrograms('1.26', 'stripped', { GOGC: perConnection < 10 ? '5' : undefined });
      agent = await startAgent({ endpoint: receiver.endpoint, pids: [programs.app.pid] });
    }, 300_000);
    afterAll(async () => {
      await agent.stop().catch(() => {});
      await programs.close();
      await receiver.close();
    });

    test('5,000 requests: every span there, none doubled, every parent right', async () => {
      const { app } = programs;
      const due = dueOf(5000);
      const total = due.server + due.client + due.sql;
      await load(app, concurrent, due.server, perConnection);
      const { server, client, sql } = await spansByKind(receiver, app.pid, due, 60_000);
      expect(app.stdout()).not.toContain('call failed');
      expect(new Set(server.map(idOf)).size).toBe(due.server);
      expect(new Set([...server, ...client, ...sql].map(({ spanId }) => spanId)).size).toBe(total);
      expect(differences(server, [...client, ...sql], due)).toEqual({ missing: [], unexpected: [] });
      const { report } = await agent.stop();
      expect(report).toMatchObject({
        spans: { server: due.server, client: due.client + due.sql },
        exported: total,
        lost: [],
      });
      expect(report.counters).toMatchObject({ spans: total, end_without_start: 0, refired: 0, not_sent: 0 });
      const hits = (moment: string) =>
        report.probes.find((probe) => probe.definition === 'go/net/http/client' && probe.moment === moment)!.hits;
      expect([hits('start'), hits('end')]).toEqual([due.client, due.client]);
    }, 180_000);
  });
