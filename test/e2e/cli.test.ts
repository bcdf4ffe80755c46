/** Every command as a user types it: what it prints and where, and its exit code. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildGoFixture, type GoFixture, startGoFixture } from '../support/go-fixture.ts';
import { get } from '../support/http.ts';
import { watchKernel } from '../support/kernel-leftovers.ts';
import { runProcess, startProcess } from '../support/process.ts';

const root = join(import.meta.dirname, '..', '..');
const uspan = join(root, 'bin', 'uspan');

const asRoot = process.getuid?.() === 0;
const kernelTest = asRoot || process.env.REQUIRE_KERNEL ? test : test.skip;

describe('without a target', () => {
  test('--version names what a bug report needs', async () => {
    const { code, stdout } = await runProcess(uspan, ['--version']);
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`^uspan ${version}\nNode\\.js v\\d+\\S*\nlibbpf 1\\.\\d+\\.\\d+\nLinux `));
  });

  test.each([
    [['--help'], 0, 'discover'],
    [['run', '--help'], 0, '--max-in-flight'],
    [['nonsense'], 2, ''],
    [['run', '--pid', 'x'], 2, ''],
    [['run', '--console', '--json'], 2, ''],
  ])('%j exits with %i', async (args, expected, printed) => {
    const { code, stdout, stderr } = await runProcess(uspan, args);
    expect(code).toBe(expected);
    expect(stdout).toContain(printed);
    if (expected !== 0) expect(stderr).toMatch(/^uspan: E_USAGE: /);
  });

  kernelTest('doctor finds this host fit', async () => {
    const { code, stdout } = await runProcess(uspan, ['doctor', '--json']);
    const { fit, requirements } = JSON.parse(stdout);
    expect({ code, fit }).toEqual({ code: 0, fit: true });
    expect(requirements.map(({ name }: { name: string }) => name)).toContain('CAP_PERFMON');
    expect((await runProcess(uspan, ['doctor'])).stdout).toContain('This host can run uspan.');
  });

  kernelTest('run --pid says why there is nothing to trace', async () => {
    const other = await startProcess('sleep', ['60']);
    const alive = await runProcess(uspan, ['run', '--pid', String(other.pid)]);
    await other.stop();
    expect(alive.code).toBe(3);
    expect(alive.stderr).toMatch(/E_NO_TARGET: .*uses no library uspan knows/);
    const none = await runProcess(uspan, ['run', '--pid', '4194303']);
    expect(none.code).toBe(3);
    expect(none.stderr).toContain('no such process');
  });

  kernelTest('a report that cannot be written is an error before the run', async () => {
    const { code, stderr } = await runProcess(uspan, ['run', '--report', '/nonexistent/report.json']);
    expect(code).toBe(1);
    expect(stderr).toContain('E_REPORT');
  });
});

describe.skipIf(!asRoot && !process.env.REQUIRE_KERNEL)('with a Go server', () => {
  let server: GoFixture;
  const kernel = watchKernel();

  beforeAll(async () => {
    server = await startGoFixture(await buildGoFixture({ go: '1.26', variant: 'stripped' }));
  });

  afterAll(async () => {
    await server.stop();
    await kernel.assertNothingLeft();
  });

  test('discover explains the sites, and attaches nothing', async () => {
    const { code, stdout } = await runProcess(uspan, ['discover', '--explain', '--pid', String(server.pid)]);
    expect(code).toBe(0);
    expect(stdout).toContain('go/net/http/server  2 hits a span  (start push, end call, panic call, replied call ×6)');
    expect(stdout).toContain('push after the stack check');
    expect(stdout).toContain('1 of 1 processes can be traced');
    const [found] = JSON.parse((await runProcess(uspan, ['discover', '--json', '--pid', String(server.pid)])).stdout);
    expect(found.decisions[0].sites.map((site: { class: string }) => site.class)).toEqual([
      'push',
      ...Array(8).fill('call'),
    ]);
  });

  test('run --json prints a span a line, and nothing else, to stdout', async () => {
    const agent = await startProcess(uspan, ['run', '--json', '--pid', String(server.pid)]);
    await agent.waitForLine(/\bready\b/, 30_000);
    await get(server.port, '/items/7');
    await agent.waitForLine(/"name":"GET/);
    expect(await agent.stop()).toEqual({ code: 0, signal: null });
    const spans = agent
      .stdout()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(spans).toHaveLength(1);
    expect(spans[0]).toMatchObject({ name: 'GET /items/{id}', kind: 'server' });
  });

  test('run --console ends well when its reader goes away', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'uspan-cli-'));
    const report = join(directory, 'report.json');
    try {
      const line = `exec ${uspan} run --console --pid ${server.pid} --report ${report}`;
      const agent = await startProcess('bash', ['-c', `set -o pipefail; (${line}) | head -n 1`]);
      await agent.waitForLine(/\bready\b/, 30_000);
      let ended = false;
      const exit = agent.exited.finally(() => {
        ended = true;
      });
      // One line for head, and another one that is never read.
      while (!ended) await get(server.port, '/hello');
      expect(await exit).toEqual({ code: 0, signal: null });
      expect(JSON.parse(readFileSync(report, 'utf8')).spans.server).toBeGreaterThan(0);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});

describe.skipIf(!asRoot && !process.env.REQUIRE_KERNEL)('demo', () => {
  const kernel = watchKernel();
  let temporary: string;

  beforeAll(async () => {
    execFileSync('make', ['examples'], { cwd: root, stdio: 'ignore' });
    temporary = await mkdtemp(join(tmpdir(), 'uspan-demo-'));
    // The database runs as another user.
    await chmod(temporary, 0o755);
  });

  afterAll(async () => {
    await rm(temporary, { recursive: true, force: true });
    await kernel.assertNothingLeft();
  });

  test('shows spans of all parts of the shop and a summary, and leaves nothing', async () => {
    const { code, stdout, stderr } = await runProcess(uspan, ['demo', '--duration', '8'], {
      env: { TMPDIR: temporary },
      deadlineMs: 60_000,
    });
    expect(code).toBe(0);
    expect(stdout).toMatch(/front +GET \/products\/\{id\} +server/);
    expect(stdout).toMatch(/inventory +GET \/stock\/\{id\} +server/);
    expect(stdout).toMatch(/front +[├└]─ POST +client .*\/quotes/);
    expect(stdout).toMatch(/pricing +POST +server .*\/quotes/);
    expect(stdout).toMatch(/pricing +INSERT quotes +client/);
    expect(stdout).toMatch(/postgres +INSERT quotes +server/);
    expect(stdout).toMatch(/pricing +price TEA-\d+ +internal/);
    expect(stderr).toMatch(/spans +\d+ server/);
    expect(stderr).toMatch(/start +push +\d+ +net\/http\.serverHandler\.ServeHTTP/);
    expect(stderr).toMatch(/lost +nothing/);
    expect(await leftovers(temporary)).toEqual([]);
  });

  // From "Node is up" to "spans flow".
  test.each([150, 400, 900, 1600, 3000])('Ctrl-C after %i ms ends it cleanly', async (ms) => {
    const demo = await startProcess(uspan, ['demo'], { env: { TMPDIR: temporary } });
    await new Promise((resolve) => setTimeout(resolve, ms));
    process.kill(demo.pid, 'SIGINT');
    const { code, signal } = await demo.exited;
    // Before its first line runs, the signal ends Node itself, and nothing was begun.
    expect(code === 0 || (signal === 'SIGINT' && demo.stderr() === '')).toBe(true);
    expect(await leftovers(temporary)).toEqual([]);
  });
});

/** Processes of a demo, and files in its temporary directory. */
async function leftovers(temporary: string): Promise<string[]> {
  const examples = [join(root, 'build', 'examples'), join(root, 'examples'), temporary];
  const { stdout } = await runProcess('pgrep', ['-f', '-a', examples.join('|')]);
  return [...stdout.split('\n').filter((line) => line !== ''), ...(await readdir(temporary))];
}
