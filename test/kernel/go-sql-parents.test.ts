/** Operations of concurrent requests, made in all the ways that a handler has. Each is the child of its own request, or of none. */
import { expect, test } from 'vitest';
import type { GoRelease } from '../support/go-fixture.ts';
import { startGoSqlFixture } from '../support/go-sql-fixture.ts';
import { RawConnection } from '../support/http.ts';
import { leavesNothingInKernel } from '../support/kernel-leftovers.ts';
import { spansOf, useWorld } from './go-world.ts';
import { describeKernel } from './native-fixture.ts';

/** What test/fixtures/go-sql/serve.go does for a request, by table. */
const children = [
  ...['SELECT context', 'SELECT goroutine', 'UPDATE derived', 'UPDATE detached'],
  ...['SELECT started_context', 'SELECT started', 'SELECT pool_context'],
  ...['UPDATE tx', 'SELECT tx_goroutine'],
];
/** The request has no table of its own for these. */
const shared = ['BEGIN', 'COMMIT', 'SELECT prepared'];
const spansPerRequest = 1 + children.length + shared.length + 1;

describeKernel('parents of Go database/sql spans', () => {
  leavesNothingInKernel();
  const world = useWorld();

  test.each<readonly [GoRelease, 'stripped' | 'stripped-pie', number, number]>([
    ['1.21', 'stripped', 20, 5],
    ['1.26', 'stripped', 100, 15],
    ['1.27', 'stripped-pie', 200, 4],
  ])('Go %s, %s: %i connections, %i requests each', { timeout: 300_000 }, async (go, variant, connections, each) => {
    const fixture = await startGoSqlFixture(await world.binary(go, variant, 'go-sql'));
    try {
      const agent = await world.agent({ pids: [fixture.pid] });
      await Promise.all(
        Array.from({ length: connections }, async (_, connection) => {
          const http = await RawConnection.open(fixture.httpPort);
          for (let request = 0; request < each; request++) {
            const { status } = await http.request({ target: `/${connection * each + request}` });
            expect(status).toBe(200);
          }
          await http.close();
        }),
      );
      const requests = connections * each;
      const spans = await spansOf(world.receiver, fixture.pid, requests * spansPerRequest, 60_000);
      expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(spans.length);

      const servers = new Map(spans.filter(({ kind }) => kind === 2).map((span) => [span.spanId, span]));
      expect(servers.size).toBe(requests);
      const wrong: string[] = [];
      const sharedOf = new Map<string, number>();
      for (const span of spans.filter(({ kind }) => kind === 3)) {
        const server = servers.get(span.parentSpanId ?? '');
        if (server && server.traceId !== span.traceId) wrong.push(`${span.name}: of another trace than its parent`);
        const [, name = span.name, id] = /^(.*)_(\d+)$/.exec(span.name) ?? [];
        if (name === 'SELECT pool') {
          // A goroutine that existed before, and gets nothing of the request.
          if (server || span.parentSpanId) wrong.push(`${span.name}: has a parent`);
        } else if (id === undefined) {
          sharedOf.set(`${span.parentSpanId} ${name}`, (sharedOf.get(`${span.parentSpanId} ${name}`) ?? 0) + 1);
        } else if (server?.attributes['url.path'] !== `/${id}`) {
          wrong.push(`${span.name}: of ${server?.attributes['url.path']}`);
        }
      }
      expect(wrong).toEqual([]);
      // One of each per request.
      expect(sharedOf.size).toBe(requests * shared.length);
      expect([...sharedOf].every(([key, count]) => count === 1 && servers.has(key.slice(0, 16)))).toBe(true);

      const { report } = await agent.stop();
      expect(report).toMatchObject({ spans: { server: requests, client: requests * (spansPerRequest - 1) }, lost: [] });
    } finally {
      await fixture.stop();
    }
  });
});
