/** `uspan usdt` as a user types it. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runProcess, startProcess } from '../support/process.ts';

const root = resolve(import.meta.dirname, '../..');
const fixtures = join(root, 'test/fixtures/usdt');
const uspan = join(root, 'bin/uspan');
let directory: string;
let program: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'uspan-usdt-cli-'));
  program = join(directory, 'shop');
  const object = join(directory, 'notes.o');
  execFileSync('as', ['--64', '-o', object, join(fixtures, 'notes.S')]);
  execFileSync('ld', ['-Ttext=0x401000', '-Tdata=0x403000', '--section-start=.probes=0x403800', '-o', program, object]);
});
afterAll(() => rmSync(directory, { recursive: true }));

/** The output, without the directory. USPAN_UPDATE renews the expected text. */
async function expectGolden(args: readonly string[], file: string): Promise<void> {
  const { code, stdout, stderr } = await runProcess(uspan, ['usdt', ...args], { env: { NO_COLOR: '1' } });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const shown = stdout.replaceAll(directory, '/fixture');
  const path = join(fixtures, file);
  if (process.env.USPAN_UPDATE) writeFileSync(path, shown);
  expect(shown).toBe(readFileSync(path, 'utf8'));
}

test('a file, for people', () => expectGolden([program], 'notes.txt'));
test('a file, for machines', () => expectGolden(['--json', program], 'notes.json'));

test.skipIf(process.getuid?.() !== 0 && !process.env.REQUIRE_KERNEL)(
  'a process: its executable and its libraries, also when its file is gone',
  async () => {
    const copy = join(directory, 'sleeper');
    copyFileSync('/bin/sleep', copy);
    const python = await startProcess('/usr/bin/python3.11', [
      '-c',
      'import ctypes, signal; ctypes.CDLL("libstdc++.so.6"); print("up", flush=True); signal.pause()',
    ]);
    const sleeper = await startProcess(copy, ['1000']);
    try {
      await python.waitForLine(/up/);
      rmSync(copy);
      const listed = await runProcess(uspan, ['usdt', '--json', String(python.pid)]);
      expect(listed.code).toBe(0);
      const files: { file: string; sites: { provider: string; name: string; class: string }[] }[] = JSON.parse(
        listed.stdout,
      );
      const probes = files.flatMap(({ sites }) => sites.map((site) => `${site.provider}:${site.name} ${site.class}`));
      expect(probes).toEqual(expect.arrayContaining(['python:gc__start nop', 'libstdcxx:throw nop']));
      const none = await runProcess(uspan, ['usdt', String(sleeper.pid)]);
      expect(none.code).toBe(3);
      expect(none.stdout).toMatch(/^0 USDT sites in \d files\n$/);
    } finally {
      await Promise.all([python.stop(), sleeper.stop()]);
    }
  },
);

test('a wrong configuration file ends run and discover before they look at anything', async () => {
  const config = join(directory, 'wrong.yaml');
  writeFileSync(config, 'probes:\n  - span: x\n    usdt: { provider: a, begin: b, end: c }\n');
  for (const command of ['run', 'discover']) {
    const { code, stdout, stderr } = await runProcess(uspan, [command, '--config', config]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain('E_CONFIG: probes[0].usdt.begin is none of provider, start, during, end');
    expect(stderr).toContain(`${config}:3:26`);
  }
});

test.skipIf(process.getuid?.() !== 0 && !process.env.REQUIRE_KERNEL)(
  'discover shows what a configuration file would attach',
  async () => {
    const config = join(directory, 'right.yaml');
    const probe =
      'span: load, usdt: { provider: python, start: import__find__load__start, end: import__find__load__done }';
    writeFileSync(
      config,
      `probes: [{ ${probe}, args: { name: { arg: 0, type: string }, more: { arg: 5, type: i32 } } }]\n`,
    );
    const python = await startProcess('/usr/bin/python3.11', [
      '-c',
      'import signal; print("up", flush=True); signal.pause()',
    ]);
    try {
      await python.waitForLine(/up/);
      const flags = ['--config', config, '--without', 'python/*', '--explain', '--pid', String(python.pid)];
      const { code, stdout } = await runProcess(uspan, ['discover', ...flags], { env: { NO_COLOR: '1' } });
      expect(code).toBe(0);
      expect(stdout).toContain('usdt/python/import__find__load__start  2 hits a span  (start nop, end nop)');
      expect(stdout).toContain('USDT site with 8@');
      expect(stdout).toContain('note: more is never recorded: python:import__find__load__start has 1 arguments');
      expect(stdout).not.toContain('python/gc');
    } finally {
      await python.stop();
    }
  },
);

test.each([
  [['/nonexistent'], 1, 'E_FILE_READ'],
  [[fixtures], 1, 'E_FILE_READ'],
  [[join(fixtures, 'notes.S')], 1, 'E_ELF_FORMAT'],
  [['4194303'], 3, 'E_PROCESS_GONE'],
  [[], 2, "missing required argument 'pid|file'"],
  [['1', '2'], 2, 'too many arguments'],
  [['/bin/true'], 3, ''],
])('usdt %j exits with %i', async (args, expected, message) => {
  const { code, stderr } = await runProcess(uspan, ['usdt', ...args]);
  expect(code).toBe(expected);
  expect(stderr).toContain(message);
});
