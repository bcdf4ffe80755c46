/** The agent is built for Node.js 24. The other versions that package.json allows must also run it. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { spansOf, useWorld } from '../kernel/go-world.ts';
import { describeKernel } from '../kernel/native-fixture.ts';
import { get } from '../support/http.ts';
import { leavesNothingInKernel } from '../support/kernel-leftovers.ts';
import { nodeBinary } from '../support/node-fixture.ts';

const main = join(import.meta.dirname, '..', '..', 'dist', 'cli', 'main.js');

describeKernel('the agent on other releases of Node.js', () => {
  leavesNothingInKernel();
  const world = useWorld();

  test.each(['22', '26'] as const)('Node.js %s', async (release) => {
    const server = await world.server(await world.binary());
    const agent = await world.agent({ program: [await nodeBinary(release), main], pids: [server.pid] });
    for (let n = 0; n < 50; n++) await get(server.port, '/hello');
    const spans = await spansOf(world.receiver, server.pid, 50);
    expect(new Set(spans.map(({ name }) => name))).toEqual(new Set(['GET /hello']));
    expect((await agent.stop()).report).toMatchObject({ spans: { server: 50 }, lost: [] });
  });
});
