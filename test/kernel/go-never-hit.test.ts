/** A program that has an HTTP server of net/http, and serves its clients otherwise. */
import { expect, test } from 'vitest';
import { RawConnection, requestOnce } from '../support/http.ts';
import { leavesNothingInKernel } from '../support/kernel-leftovers.ts';
import { useWorld } from './go-world.ts';
import { describeKernel } from './native-fixture.ts';

describeKernel('a server whose probes are never hit', () => {
  leavesNothingInKernel();
  const world = useWorld();

  test('is told by name, once', { timeout: 120_000 }, async () => {
    const path = await world.binary('1.26');
    const served = await world.server(path);
    const agent = await world.agent({ pids: [served.pid] });
    // What serves the control port is not net/http.
    const client = await RawConnection.open(served.statsPort);
    await expect
      .poll(
        async () => {
          await served.stats();
          return agent.stderr();
        },
        { timeout: 90_000 },
      )
      .toMatch(
        new RegExp(`never hit.*"process":${served.pid}.*"definition":"go/net/http/server","port":${served.statsPort}`),
      );
    await client.close();
    await requestOnce(served.port, { target: '/hello' });
    const { stderr } = await agent.stop();
    expect(stderr.match(/never hit/g)).toHaveLength(1);
  });
});
