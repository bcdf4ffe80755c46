/** Handles close exactly once, however they end, in the shipped build and under AddressSanitizer. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type KernelWatch, watchKernel } from '../support/kernel-leftovers.ts';
import { runProcess, startProcess } from '../support/process.ts';
import { buildNativeFixture, describeKernel, type NativeFixture } from './native-fixture.ts';

const exercise = fileURLToPath(new URL('native-exercise.ts', import.meta.url));
const buildNative = fileURLToPath(new URL('../../scripts/build-native.sh', import.meta.url));

let fixture: NativeFixture;
let watch: KernelWatch;
beforeAll(() => {
  fixture = buildNativeFixture();
});
afterAll(() => fixture.remove());
beforeEach(() => {
  watch = watchKernel();
});
afterEach(() => watch.assertNothingLeft());

const args = (scenario: string) => [
  '--expose-gc',
  exercise,
  scenario,
  fixture.directory,
  String(fixture.offset('first')),
];
const scenarios = ['everything', 'gc', 'end-open', 'exit-open', 'worker', 'throwing-callback'];

describeKernel('lifetime', () => {
  test.each(scenarios)('%s', async (scenario) => {
    const { code, signal, stdout, stderr } = await runProcess(process.execPath, args(scenario));
    expect({ code, signal, stdout, stderr }).toEqual({ code: 0, signal: null, stdout: 'done\n', stderr: '' });
  });

  test('a SIGBUS from elsewhere still kills', async () => {
    const { code, signal } = await runProcess(process.execPath, args('foreign-sigbus'));
    expect({ code, signal }).toEqual({ code: null, signal: 'SIGBUS' });
  });

  test('a killed process leaves nothing', async () => {
    const child = await startProcess(process.execPath, args('killed-open'));
    await child.waitForLine(/^attached$/);
    process.kill(child.pid, 'SIGKILL');
    expect(await child.exited).toEqual({ code: null, signal: 'SIGKILL' });
  });
});

describeKernel('under AddressSanitizer', () => {
  const libasan = () => execFileSync('cc', ['-print-file-name=libasan.so']).toString().trim();

  beforeAll(async () => {
    const build = await runProcess(buildNative, ['--asan'], { deadlineMs: 900_000 });
    expect(build, build.stderr).toMatchObject({ code: 0 });
  }, 900_000);

  test.each(scenarios)(
    '%s',
    async (scenario) => {
      const { code, signal, stdout, stderr } = await runProcess(process.execPath, args(scenario), {
        env: {
          USPAN_NATIVE_BUILD: 'asan',
          LD_PRELOAD: libasan(),
          ASAN_OPTIONS: 'detect_leaks=0:detect_stack_use_after_return=1:strict_string_checks=1',
          UBSAN_OPTIONS: 'print_stacktrace=1',
        },
        deadlineMs: 300_000,
      });
      expect({ code, signal, stdout, stderr }).toEqual({ code: 0, signal: null, stdout: 'done\n', stderr: '' });
    },
    300_000,
  );

  // Node leaks at exit by design, so only leaks with the addon on the stack count.
  test('leaks nothing', async () => {
    const { code, stdout, stderr } = await runProcess(process.execPath, args('everything'), {
      env: {
        USPAN_NATIVE_BUILD: 'asan',
        LD_PRELOAD: libasan(),
        ASAN_OPTIONS: 'detect_leaks=1:fast_unwind_on_malloc=0:malloc_context_size=40',
        LSAN_OPTIONS: 'exitcode=0',
      },
      deadlineMs: 300_000,
    });
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'done\n' });
    const leaks = stderr.split(/\n\n/).filter((block) => /leak of/.test(block) && block.includes('uspan.node'));
    expect(leaks).toEqual([]);
  }, 300_000);
});
