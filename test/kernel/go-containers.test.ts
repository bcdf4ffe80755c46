/** What containers do to files: the same bytes under many mounts, and programs that only their own mount namespace can see. */
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { get } from '../support/http.ts';
import { leavesNothingInKernel } from '../support/kernel-leftovers.ts';
import { openWorld, spansOf, type World } from './go-world.ts';
import { describeKernel } from './native-fixture.ts';

describeKernel('containers', () => {
  leavesNothingInKernel();
  let world: World;
  let directory: string;
  const mounts: string[] = [];
  beforeEach(async () => {
    world = await openWorld();
    directory = await mkdtemp(join(tmpdir(), 'uspan-mounts-'));
    // An overlay cannot have its upper directory on another overlay.
    execFileSync('mount', ['-t', 'tmpfs', 'uspan-test', directory]);
    mounts.push(directory);
  });
  afterEach(async () => {
    await world.close();
    for (const mount of mounts.splice(0).reverse()) execFileSync('umount', ['-l', mount]);
    await rm(directory, { recursive: true });
  });

  async function overlay(lower: string, name: string): Promise<string> {
    const [upper, work, merged] = ['upper', 'work', 'merged'].map((part) => join(directory, name, part)) as [
      string,
      string,
      string,
    ];
    for (const part of [upper, work, merged]) await mkdir(part, { recursive: true });
    const options = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
    execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', options, merged]);
    mounts.push(merged);
    return merged;
  }

  test('two containers of one image: one file, attached once, one span a request', async () => {
    const image = await world.binary('1.27');
    const paths = [];
    for (const name of ['first', 'second']) paths.push(join(await overlay(dirname(image), name), basename(image)));
    const servers = [await world.server(paths[0]!), await world.server(paths[1]!)];
    const agent = await world.agent({ exeGlobs: [`${directory}/*`] });
    for (let n = 0; n < 5; n++) for (const server of servers) await get(server.port, '/hello');
    for (const [n, server] of servers.entries()) {
      const spans = await spansOf(world.receiver, server.pid, 5);
      expect(spans[0]!.resource['process.executable.path']).toBe(paths[n]);
    }
    const { report } = await agent.stop();
    const ofSpans = report.probes.filter(({ moment }) => moment !== 'replied');
    expect(ofSpans.map(({ moment, hits }) => [moment, hits])).toEqual([
      ['start', 10],
      ['end', 10],
      ['panic', 0],
    ]);
  });

  test('a program on a mount nobody else sees', async () => {
    const image = await world.binary('1.25');
    const hidden = join(directory, 'hidden');
    await mkdir(hidden);
    // A pid stays the same over exec, so the fixture is the process that was started.
    const start = join(directory, 'start');
    const script = `mount -t tmpfs t ${hidden} && cp ${image} ${hidden}/inner && exec ${hidden}/inner "$@"`;
    await writeFile(start, `#!/bin/sh\nexec unshare --mount sh -c '${script}' inner "$@"\n`);
    await chmod(start, 0o755);
    const before = await world.server(start);
    const agent = await world.agent({ exeGlobs: [`${hidden}/inner`] });
    const after = await world.server(start);
    await agent.attached(after.pid);
    for (const server of [before, after]) {
      await get(server.port, '/items/1');
      const [span] = await spansOf(world.receiver, server.pid, 1);
      expect(span!.name).toBe('GET /items/{id}');
      expect(span!.resource).toMatchObject({ 'service.name': 'go-http', 'process.executable.path': `${hidden}/inner` });
    }
    // Two copies, so two files.
    const { report } = await agent.stop();
    expect(report.probes.filter(({ moment }) => moment !== 'replied')).toHaveLength(6);
  });

  test('a process says its name in its environment', async () => {
    const path = await world.binary('1.26');
    const env = {
      OTEL_SERVICE_NAME: 'checkout',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=staging,team=a%20b',
    };
    const server = await world.server(path, { env });
    await world.agent({ pids: [server.pid] });
    await get(server.port, '/hello');
    const [span] = await spansOf(world.receiver, server.pid, 1);
    expect(span!.resource).toMatchObject({
      'service.name': 'checkout',
      'deployment.environment.name': 'staging',
      team: 'a b',
    });
  });
});
