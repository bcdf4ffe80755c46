import { copyFile, rename } from 'node:fs/promises';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { buildGoFixture, type GoFixture, startGoFixture } from '../support/go-fixture.ts';
import { concurrently, get, RawConnection } from '../support/http.ts';
import { leavesNothingInKernel, watchKernel } from '../support/kernel-leftovers.ts';
import { startProcess } from '../support/process.ts';
import { spansOf, useWorld } from './go-world.ts';
import { describeKernel } from './native-fixture.ts';

/** Requests without a pause on keep-alive connections until it has to stop. A failed request rejects. */
function load(server: GoFixture, connections: number): { stop(): Promise<number> } {
  let running = true;
  const workers = Array.from({ length: connections }, async () => {
    const connection = await RawConnection.open(server.port);
    let requests = 0;
    for (; running; requests++) {
      const { status, body } = await connection.request({ target: '/hello' });
      if (status !== 200 || body.toString() !== 'hello\n') throw new Error(`answered ${status} ${body}`);
    }
    await connection.close();
    return requests;
  });
  const done = Promise.all(workers);
  return {
    async stop() {
      running = false;
      return (await done).reduce((sum, requests) => sum + requests, 0);
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describeKernel('agents and targets that come and go', () => {
  leavesNothingInKernel();
  const world = useWorld();

  test('an agent killed under load: no request fails, nothing is left, and the next agent works', async () => {
    const server = await world.server(await world.binary());
    const killed = watchKernel();
    const agent = await world.agent({ pids: [server.pid] });
    const traffic = load(server, 16);
    await server.until(({ started }) => started > 500);
    await agent.kill9();
    await killed.assertNothingLeft();
    const { started } = await server.stats();
    await server.until((stats) => stats.started > started + 500);
    const next = await world.agent({ pids: [server.pid] });
    const before = await server.stats();
    await server.until((stats) => stats.started > before.started + 500);
    const requests = await traffic.stop();
    expect(requests).toBe((await server.stats()).finished);
    const { report } = await next.stop();
    expect(report).toMatchObject({ lost: [], exported: report.counters.spans });
    expect(report.counters.spans).toBeGreaterThan(500);
  });

  test('an agent stopped under load: no request fails and nothing is left', async () => {
    const server = await world.server(await world.binary());
    const stopped = watchKernel();
    const agent = await world.agent({ pids: [server.pid] });
    const traffic = load(server, 16);
    await server.until(({ started }) => started > 500);
    const { report } = await agent.stop();
    await stopped.assertNothingLeft();
    expect(await traffic.stop()).toBe((await server.stats()).finished);
    expect(world.receiver.spanCount).toBe(report.spans.server);
    // Requests that were between start and end when the probes went.
    for (const { reason } of report.lost) expect(reason).toBe('unfinished_at_exit');
  });

  test('a restarted program is traced again, from its first request', async () => {
    const path = await world.binary();
    const agent = await world.agent({ exeGlobs: [path] });
    for (let n = 0; n < 3; n++) {
      const server = await world.server(path);
      await agent.attached(server.pid);
      await get(server.port, '/hello');
      await get(server.port, '/none');
      await spansOf(world.receiver, server.pid, 2);
      await server.stop();
    }
    const { report } = await agent.stop();
    // One line for each site, no matter how often the program was attached.
    const ofSpans = report.probes.filter(({ moment }) => moment !== 'replied');
    expect(ofSpans.map(({ moment, hits }) => [moment, hits])).toEqual([
      ['start', 6],
      ['end', 6],
      ['panic', 0],
    ]);
    expect(report.lost).toEqual([]);
  });

  test('a file overwritten in place after its last process: the old breakpoints never meet the new code', async () => {
    const path = await world.binary('1.22');
    const agent = await world.agent({ exeGlobs: [path] });
    const old = await world.server(path);
    await agent.attached(old.pid);
    await old.stop();
    // The same inode with other code, as `cp` leaves it, started at once.
    await copyFile(await buildGoFixture({ go: '1.27', variant: 'stripped' }), path);
    const renewed = await world.server(path);
    await agent.attached(renewed.pid);
    for (let n = 0; n < 20; n++) await get(renewed.port, '/items/7');
    const spans = await spansOf(world.receiver, renewed.pid, 20);
    expect(new Set(spans.map(({ name }) => name))).toEqual(new Set(['GET /items/{id}']));
    const { report } = await agent.stop();
    const sites = report.probes.filter(({ moment }) => moment === 'start').map(({ site }) => site);
    expect(new Set(sites).size).toBe(2);
  });

  test('a program on a known binary is traced before anybody has noticed it', async () => {
    const path = await world.binary();
    const first = await world.server(path);
    await world.agent({ exeGlobs: [path] });
    const second = await world.server(path);
    await get(second.port, '/hello');
    await get(first.port, '/hello');
    await spansOf(world.receiver, first.pid, 1);
    expect((await spansOf(world.receiver, second.pid, 1))[0]!.resource['process.pid']).toBe(second.pid);
  });

  test('a binary replaced by another release: the old process stays traced, the new one is too', async () => {
    const path = await world.binary('1.22');
    const old = await world.server(path);
    const agent = await world.agent({ exeGlobs: [path] });
    await copyFile(await buildGoFixture({ go: '1.27', variant: 'pie' }), `${path}.new`);
    await rename(`${path}.new`, path);
    const replaced = await world.server(path);
    await agent.attached(replaced.pid);
    for (const server of [old, replaced]) await get(server.port, '/items/1');
    const [before] = await spansOf(world.receiver, old.pid, 1);
    const [after] = await spansOf(world.receiver, replaced.pid, 1);
    expect(String(before!.resource['process.runtime.version'])).toContain('1.22');
    expect(String(after!.resource['process.runtime.version'])).toContain('1.27');
    for (const span of [before, after]) expect(span!.attributes['http.route']).toBe('/items/{id}');
    const { report } = await agent.stop();
    expect(report.probes.filter(({ moment }) => moment !== 'replied')).toHaveLength(6);
  });

  test('a binary that was replaced before the agent came: attached through the process', async () => {
    const path = await world.binary('1.24');
    const server = await world.server(path);
    await copyFile(await buildGoFixture({ go: '1.27', variant: 'normal' }), `${path}.new`);
    await rename(`${path}.new`, path);
    await world.agent({ pids: [server.pid] });
    await get(server.port, '/hello');
    const [span] = await spansOf(world.receiver, server.pid, 1);
    expect(span!.resource).toMatchObject({ 'process.executable.path': path, 'service.name': 'go-http' });
    expect(String(span!.resource['process.runtime.version'])).toContain('1.24');
  });

  test('two processes of one binary, one chosen by its pid', async () => {
    const path = await world.binary();
    const [chosen, other] = [await world.server(path), await world.server(path)];
    const agent = await world.agent({ pids: [chosen.pid] });
    for (let n = 0; n < 10; n++) for (const server of [chosen, other]) await get(server.port, '/hello');
    await spansOf(world.receiver, chosen.pid, 10);
    const late = await world.server(path);
    await get(late.port, '/hello');
    const { report } = await agent.stop();
    expect(world.receiver.spanCount).toBe(10);
    expect(report.counters).toMatchObject({ other_process: 11, spans: 10 });
    expect(report.lost).toEqual([]);
  });

  test('an agent for one pid ends with its process, with all spans', async () => {
    const path = await world.binary();
    const server = await world.server(path);
    const agent = await world.agent({ pids: [server.pid] });
    for (let n = 0; n < 5; n++) await get(server.port, '/hello');
    await server.stop();
    const { code, report } = await agent.exited;
    expect([code, report?.spans.server, report?.lost]).toEqual([0, 5, []]);
    expect(world.receiver.spanCount).toBe(5);
  });

  test('a port chooses who listens on it, also somebody who comes and listens later', async () => {
    const path = await world.binary();
    const port = await freePort();
    const early = await world.server(path);
    const agent = await world.agent({ ports: [port, early.port] });
    const late = await world.server(path, { args: [`-addr=127.0.0.1:${port}`, '-listen-after=300ms'] });
    const stranger = await world.server(path);
    await agent.attached(late.pid);
    for (const server of [early, late, stranger]) await get(server.port, '/hello');
    for (const server of [early, late]) await spansOf(world.receiver, server.pid, 1);
    const { report } = await agent.stop();
    expect(world.receiver.spanCount).toBe(2);
    expect(report.lost).toEqual([]);
  });

  test('programs that end while they are looked at harm nothing', async () => {
    const path = await world.binary();
    const agent = await world.agent({ exeGlobs: [`${path}*`] });
    // Each on an inode of its own, so that each is opened, parsed and attached, or ends in the middle of that.
    const delaysMs = Array.from({ length: 24 }, (_, n) => n * 4);
    // All are copied before the first one starts, because a fork in between would hold a copy open for writing (ETXTBSY).
    const copies = await Promise.all(
      delaysMs.map(async (_, n) => {
        await copyFile(path, `${path}-${n}`);
        return `${path}-${n}`;
      }),
    );
    await Promise.all(
      delaysMs.map(async (delayMs, n) => {
        const copy = copies[n]!;
        const child = await startProcess(copy, ['-listen-after=1h']);
        setTimeout(() => process.kill(child.pid, 'SIGKILL'), delayMs);
        await child.exited;
      }),
    );
    const survivor = await startGoFixture(path);
    await agent.attached(survivor.pid);
    await get(survivor.port, '/hello');
    await spansOf(world.receiver, survivor.pid, 1);
    await survivor.stop();
    const { report, stderr } = await agent.stop();
    expect(report.lost).toEqual([]);
    expect(stderr).not.toMatch(/Error|undefined|at .*\.js:/);
  });

  test('spans of a program that ends at once after its requests', async () => {
    const path = await world.binary();
    const agent = await world.agent({ exeGlobs: [path] });
    const pids: number[] = [];
    // Probes stay on a file as long as something runs it.
    await agent.attached((await world.server(path)).pid);
    for (let n = 0; n < 4; n++) {
      const server = await world.server(path);
      await get(server.port, '/hello');
      process.kill(server.pid, 'SIGKILL');
      pids.push(server.pid);
    }
    for (const pid of pids) await spansOf(world.receiver, pid, 1);
    const { report } = await agent.stop();
    expect(report.lost).toEqual([]);
  });

  test('a program that came and went while the agent could not look', async () => {
    const path = await world.binary();
    const first = await world.server(path);
    const agent = await world.agent({ exeGlobs: [path], extra: ['--max-in-flight=64'] });
    process.kill(agent.pid, 'SIGSTOP');
    const unseen = await world.server(path);
    await get(unseen.port, '/items/1');
    // They fill the whole map, and will never end.
    const gated = concurrently(150, () => get(unseen.port, '/gate').catch(() => 'closed'));
    await unseen.until((stats) => stats.gated === 150);
    process.kill(unseen.pid, 'SIGKILL');
    await gated;
    await unseen.stop();
    process.kill(agent.pid, 'SIGCONT');

    // Its binary is attached, so its span is there, with what is known of it.
    const [span] = await spansOf(world.receiver, unseen.pid, 1);
    expect(span!.name).toBe('GET /items/{id}');
    expect(span!.resource).toMatchObject({
      'service.name': 'go-http',
      'process.executable.path': path,
      'uspan.process.ended': true,
    });
    // The next look at /proc frees its entries in the map.
    for (let seen = 0; seen === 0; ) {
      await get(first.port, '/hello');
      await sleep(200);
      seen = world.receiver.spans().filter((one) => one.resource['process.pid'] === first.pid).length;
    }
    const { report } = await agent.stop();
    const { count } = report.lost.find(({ reason }) => reason === 'process_ended')!;
    // Twice the limit, or one entry less if no goroutine took over that of the finished request.
    expect([127, 128]).toContain(count);
  });
});
