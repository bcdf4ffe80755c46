import { afterAll, beforeAll, expect, test } from 'vitest';
import { get } from '../support/http.ts';
import { leavesNothingInKernel } from '../support/kernel-leftovers.ts';
import type { NodeFixture } from '../support/node-fixture.ts';
import { spansOf } from './go-world.ts';
import { describeKernel } from './native-fixture.ts';
import { type NodeWorld, openNodeWorld } from './node-world.ts';

/** The fixture calls itself, so a call has a span of the client and one of the server. */
describeKernel('definitions of Node.js that share their probes', () => {
  leavesNothingInKernel();
  let world: NodeWorld;
  let program: NodeFixture;
  beforeAll(async () => {
    world = await openNodeWorld();
    program = await world.fixture(await world.binary());
  }, 300_000);
  afterAll(() => world.close());

  async function traced(without: readonly string[], spans: number) {
    const before = world.receiver.spans().length;
    const agent = await world.agent({ pids: [program.pid], extra: without.map((name) => `--without=${name}`) });
    await program.control(`call ${JSON.stringify({ url: `http://127.0.0.1:${program.port}/hello`, fresh: true })}`);
    const seen = (await spansOf(world.receiver, program.pid, before + spans)).slice(before);
    const { report } = await agent.stop();
    expect(report.lost).toEqual([]);
    const definitions = report.probes.map(({ definition }) => definition);
    return { report, kinds: seen.map(({ kind }) => kind).sort(), definitions: [...new Set(definitions)].sort() };
  }

  test('all of them: each sees its own, and a probe that they share is hit once', async () => {
    const { report, kinds, definitions } = await traced([], 2);
    expect(kinds).toEqual([2, 3]);
    expect(definitions).toEqual(['node/http/client', 'node/http/server', 'node/pg', 'node/sqlite']);
    const writes = report.probes.filter(({ moment }) => moment === 'write');
    expect(writes).toEqual([
      expect.objectContaining({ definition: 'node/http/server' }),
      expect.objectContaining({ definition: 'node/http/client' }),
      expect.objectContaining({ definition: 'node/pg' }),
    ]);
    expect(new Set(writes.map(({ site }) => site)).size).toBe(1);
    expect(new Set(writes.map(({ hits }) => hits)).size).toBe(1);
    expect(report.counters.node_requests).toBe(2);
  });

  test.each([
    ['node/http/server', [3], ['node/http/client', 'node/pg', 'node/sqlite']],
    ['node/http/client', [2], ['node/http/server', 'node/pg', 'node/sqlite']],
    ['node/pg', [2, 3], ['node/http/client', 'node/http/server', 'node/sqlite']],
  ])('without %s', async (name, expectedKinds, expected) => {
    const { kinds, definitions } = await traced([name], expectedKinds.length);
    expect(kinds).toEqual(expectedKinds);
    expect(definitions).toEqual(expected);
  });

  test('a name leaves out all that is below it', async () => {
    const agent = await world.agent({ pids: [program.pid], extra: ['--without=node/http', '--without=node/sqlite'] });
    await get(program.port, '/hello');
    const { report } = await agent.stop();
    expect(report.spans).toEqual({ server: 0, client: 0, internal: 0 });
    expect(new Set(report.probes.map(({ definition }) => definition))).toEqual(new Set(['node/pg']));
  });
});
