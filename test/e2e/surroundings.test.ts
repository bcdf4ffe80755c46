/** Surroundings of the agent: too few rights, just enough, a read-only /sys, nothing to trace. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { spansOf, useWorld } from '../kernel/go-world.ts';
import { describeKernel } from '../kernel/native-fixture.ts';
import { launchAgent } from '../support/agent.ts';
import { get } from '../support/http.ts';
import { leavesNothingInKernel } from '../support/kernel-leftovers.ts';
import { runProcess, startProcess } from '../support/process.ts';

const uspan = join(import.meta.dirname, '..', '..', 'bin', 'uspan');
const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
const needed = '+bpf,+perfmon,+sys_ptrace,+dac_read_search';

describeKernel('surroundings', () => {
  leavesNothingInKernel();
  const world = useWorld();

  test.each([
    ['an ordinary user', [...nobody, '--inh-caps=-all']],
    ['root without capabilities', ['setpriv', '--bounding-set=-all', '--inh-caps=-all']],
    ['root without CAP_BPF', ['setpriv', '--bounding-set=-bpf,-sys_admin', '--inh-caps=-all']],
  ])('%s: E_CAPABILITY, exit code 4, and what is missing', async (_, launcher) => {
    const server = await world.server(await world.binary());
    const agent = await launchAgent({ pids: [server.pid], endpoint: world.receiver.endpoint, launcher });
    const { code, stderr } = await agent.exited;
    expect(stderr).toContain('E_CAPABILITY');
    expect(stderr).toContain('CAP_BPF');
    expect(stderr).not.toMatch(/at .*\.js:/);
    expect(code).toBe(4);
  });

  test('root of another user namespace: E_CAPABILITY, exit code 4, whatever its capabilities say', async () => {
    const server = await world.server(await world.binary());
    const launcher = ['unshare', '--user', '--map-root-user'];
    const agent = await launchAgent({ pids: [server.pid], endpoint: world.receiver.endpoint, launcher });
    const { code, stderr } = await agent.exited;
    expect(stderr).toMatch(/^uspan: E_CAPABILITY: this host lacks initial user namespace/);
    expect(code).toBe(4);
  });

  test.each([
    ['an ordinary user', nobody],
    ['root of another user namespace', ['unshare', '--user', '--map-root-user']],
  ])('discover says to %s what it could not read for lack of rights', async (_, [command, ...args]) => {
    const server = await world.server(await world.binary());
    const discover = [...args, uspan, 'discover', '--json', '--pid', String(server.pid)];
    const { code, stdout, stderr } = await runProcess(command!, discover);
    expect(stderr).toMatch(/^uspan: E_CAPABILITY: programs of other users could not be read, for lack of /);
    expect(JSON.parse(stdout)).toMatchObject([{ pid: server.pid, decisions: [] }]);
    expect(code).toBe(4);
  });

  test('an ordinary user with the capabilities it takes', async () => {
    const server = await world.server(await world.binary());
    const launcher = [...nobody, `--inh-caps=${needed}`, `--ambient-caps=${needed}`];
    const agent = await world.agent({ pids: [server.pid], launcher });
    await get(server.port, '/items/1');
    expect((await spansOf(world.receiver, server.pid, 1))[0]!.name).toBe('GET /items/{id}');
    expect((await agent.stop()).report.lost).toEqual([]);
  });

  test('a read-only /sys and no tracefs', async () => {
    const server = await world.server(await world.binary());
    const script = 'umount -R /sys/kernel/tracing 2>/dev/null; mount -o remount,bind,ro /sys && exec "$@"';
    const launcher = ['unshare', '--mount', 'sh', '-c', script, 'sh'];
    const agent = await world.agent({ pids: [server.pid], launcher });
    await get(server.port, '/hello');
    await spansOf(world.receiver, server.pid, 1);
    await agent.stop();
  });

  test('a read-only file system for everything but the report', async () => {
    const server = await world.server(await world.binary());
    const script = 'mount -o remount,bind,ro / && exec "$@"';
    const launcher = ['unshare', '--mount', 'sh', '-c', script, 'sh'];
    const agent = await launchAgent({ pids: [server.pid], endpoint: world.receiver.endpoint, launcher });
    // If / is read-only, so is the directory of the report. The agent says so at once, and not after hours of work.
    const { code, stderr } = await agent.exited;
    expect(stderr).toContain('E_REPORT');
    expect(code).toBe(1);
  });

  test('a process that does not exist, and one that cannot be traced: E_NO_TARGET, exit code 3', async () => {
    const other = await startProcess('sleep', ['60']);
    for (const pid of [4194304, other.pid]) {
      const agent = await launchAgent({ pids: [pid], endpoint: world.receiver.endpoint });
      const { code, stderr } = await agent.exited;
      expect(stderr).toContain('E_NO_TARGET');
      expect(code).toBe(3);
    }
    await other.stop();
  });

  test('many agents at once see the same, each for itself', async () => {
    const server = await world.server(await world.binary());
    const agents = [await world.agent({ pids: [server.pid] }), await world.agent({ pids: [server.pid] })];
    for (let n = 0; n < 20; n++) await get(server.port, '/hello');
    for (const agent of agents) expect((await agent.stop()).report).toMatchObject({ exported: 20, lost: [] });
    expect(world.receiver.spanCount).toBe(40);
  });
});
