/** A second agent on the same processes: both say so, and it is refused unless the user wants it. */

import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { leavesNothingInKernel } from '../support/kernel-leftovers.ts';
import { describeKernel } from './native-fixture.ts';
import { useUsdtWorld } from './usdt-world.ts';

const config = `
probes:
  - span: order
    usdt: { provider: shop, start: open, end: close }
    args: { id: { arg: 0, type: i32 } }
`;

describeKernel('a second agent', () => {
  leavesNothingInKernel();
  const world = useUsdtWorld();
  const told = 'another uspan traces the same processes';

  test.each(['stop', 'kill9'] as const)('is refused until the first one has ended by %s', async (end) => {
    const path = world.program('pairs');
    const program = await world.start(path);
    const first = await world.agent(config, { exeGlobs: [path] });
    const second = world.agent(config, { exeGlobs: [path], refuseSecond: true });
    await expect(second).rejects.toThrow(`E_SECOND_AGENT: another uspan, process ${first.pid},`);
    await expect.poll(() => first.stderr()).toContain(told);
    expect(first.stderr()).toContain('it was refused');
    await program.ask('pair 1 x');
    await world.spans(program.pid, 1);
    await first[end]();
    await world.agent(config, { pids: [program.pid], refuseSecond: true });
    await program.ask('pair 2 x');
    await world.spans(program.pid, 2);
  });

  test('--allow-second: both say so, and go on', async () => {
    const path = world.program('pairs');
    const program = await world.start(path);
    const first = await world.agent(config, { exeGlobs: [path] });
    const second = await world.agent(config, { pids: [program.pid] });
    await expect.poll(() => first.stderr()).toContain(told);
    await expect.poll(() => second.stderr()).toContain(told);
    await program.ask('pair 1 x');
    await world.spans(program.pid, 2);
  });

  test('on other processes of the same file is nobody’s business', async () => {
    const path = world.program('pairs');
    const [one, other] = [await world.start(path), await world.start(path)];
    const first = await world.agent(config, { pids: [one.pid], refuseSecond: true });
    await world.agent(config, { pids: [other.pid], refuseSecond: true });
    for (const program of [one, other]) await program.ask('pair 1 x');
    for (const program of [one, other]) await world.spans(program.pid, 1);
    expect(first.stderr()).not.toContain(told);
  });

  test('what somebody else sends to an agent does no harm', async () => {
    const path = world.program('pairs');
    const program = await world.start(path);
    const agent = await world.agent(config, { exeGlobs: [path] });
    for (const text of ['', 'x', '{}', '[1]', '{"agent":1}', `{"agent":1,"processes":${'['.repeat(100_000)}`]) {
      const socket = connect({ path: `\0uspan-agent/${agent.pid}` });
      socket.on('error', () => {});
      socket.end(text);
      socket.resume();
      await once(socket, 'close');
    }
    await program.ask('pair 1 x');
    await world.spans(program.pid, 1);
    const { stderr } = await agent.stop();
    expect(stderr).not.toContain(told);
  });
});
