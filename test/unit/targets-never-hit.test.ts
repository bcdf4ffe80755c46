/** Programs that serve while no probe of their server is hit. */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { portWithClient, type Served, served } from '../../src/discovery/processes/served.ts';
import { NeverHit } from '../../src/targets/never-hit.ts';

function watch(options: { client?: boolean; hits?: () => number; looks: readonly (Served | undefined)[] }) {
  const warnings: unknown[] = [];
  let look = 0;
  const neverHit = new NeverHit({ served: () => options.looks[look++], warn: (found) => warnings.push(found) });
  const definition = { name: 'go/net/http/server', ...(options.client ? {} : { servesTcp: true as const }) };
  const attachment = {
    decision: { definition, sites: [{ moment: 0 }, { moment: 1 }] },
    hits: options.hits ?? (() => 0),
  };
  const file = { path: '/bin/shop', pids: new Set([77]), attachments: [attachment] };
  for (let n = 0; n < 10; n++) neverHit.look([file]);
  return warnings;
}

const busy = Array.from({ length: 10 }, (_, n) => ({ port: 8080, readBytes: 1000 * n }));

describe('never hit', () => {
  test('a server at work: once, by name', () => {
    expect(watch({ looks: busy })).toEqual([
      { process: 77, exe: '/bin/shop', definition: 'go/net/http/server', port: 8080 },
    ]);
  });

  test.each([
    ['its probes are hit', { looks: busy, hits: () => 1 }],
    ['it has no clients', { looks: [] }],
    ['its clients are silent', { looks: busy.map(({ port }) => ({ port, readBytes: 5000 })) }],
    ['it has clients only now and then', { looks: busy.map((each, n) => (n % 2 === 0 ? each : undefined)) }],
    ['it is no server', { looks: busy, client: true }],
  ])('but not if %s', (_, options) => {
    expect(watch(options)).toEqual([]);
  });
});

test('a port with a client, in the table of sockets', () => {
  const table = [
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
    '   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1',
    '   1: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12 1',
    '   2: 0100007F:1F91 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 13 1',
    '   3: 0100007F:9C40 0100007F:1F91 01 00000000:00000000 00:00000000 00000000     0        0 14 1',
  ].join('\n');
  expect(portWithClient(table, new Set(['11', '12', '13']))).toBe(0x1f91);
  // A connection that it made itself, of another process, or a port of another process.
  expect(portWithClient(table, new Set(['11', '12', '14']))).toBeUndefined();
  expect(portWithClient(table, new Set(['11', '12']))).toBeUndefined();
  expect(portWithClient(table, new Set(['13']))).toBeUndefined();
});

test('a process with a client', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const client = connect(port, '127.0.0.1');
  const [accepted] = (await once(server, 'connection')) as [import('node:net').Socket];
  const before = served(process.pid);
  expect(before?.port).toBe(port);
  client.write('x'.repeat(5000));
  let got = 0;
  while (got < 5000) got += ((await once(accepted, 'data')) as [Buffer])[0].length;
  expect(served(process.pid)!.readBytes - before!.readBytes).toBeGreaterThanOrEqual(5000);
  client.destroy();
  server.close();
});
