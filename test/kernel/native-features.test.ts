import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { FeatureName } from '../../native/native.d.ts';
import { loadNative } from '../../src/native.ts';
import { leavesNothingInKernel } from '../support/kernel-leftovers.ts';
import { describeKernel } from './native-fixture.ts';

const native = loadNative();
const loader = fileURLToPath(new URL('../../src/native.ts', import.meta.url));

describe('versions', () => {
  test('names the pinned libbpf', () => {
    const lock = readFileSync(new URL('../../native/vendor/Cargo.lock', import.meta.url), 'utf8');
    const pinned = /name = "libbpf-sys"\nversion = "[^+]+\+v([\d.]+)"/.exec(lock)![1];
    expect(native.versions()).toEqual({ libbpf: pinned, abi: 4 });
  });
});

describe('loadNative', () => {
  const load = (before: string) => {
    const script = `${before}; const { loadNative } = await import(${JSON.stringify(loader)});
      try { loadNative(); console.log('loaded'); } catch (error) { console.log(error.code, error.message, '|', error.fix); }`;
    return execFileSync(process.execPath, ['--input-type=module', '-e', script]).toString().trim();
  };

  test('a missing or foreign addon: E_NATIVE with the command that builds it', () => {
    const fake = (result: string) =>
      `import module from 'node:module'; module._extensions['.node'] = (m) => { ${result} }`;
    expect(load('')).toBe('loaded');
    expect(load(fake("throw new Error('no such file')"))).toBe(
      'E_NATIVE the native addon could not be loaded | Build it: scripts/build-native.sh',
    );
    expect(load(fake('m.exports = { versions: () => ({ abi: 99 }) }'))).toBe(
      'E_NATIVE the native addon has ABI 99, 4 is needed | Build it: scripts/build-native.sh',
    );
  });
});

describe('clocks', () => {
  test('clockOffsetNs leads from the monotonic clock, which is that of process.hrtime, to Unix time', () => {
    const early = BigInt(Date.now());
    const unixMs = (process.hrtime.bigint() + native.clockOffsetNs()) / 1_000_000n;
    const late = BigInt(Date.now());
    expect(unixMs).toBeGreaterThanOrEqual(early - 1n);
    expect(unixMs).toBeLessThanOrEqual(late + 1n);
  });
});

describe('releaseMemory', () => {
  /** Sizes in KiB of this process's own program file, by mapping, as proc_pid_smaps(5) has them. */
  const programKib = (what: 'Rss' | 'Anonymous') => {
    const mappings = readFileSync('/proc/self/smaps', 'utf8').split(/\n(?=[\da-f]+-[\da-f]+ )/);
    const ours = mappings.filter((each) => each.split('\n', 1)[0]!.endsWith(process.execPath));
    return ours.map((each) => Number(new RegExp(`^${what}: +(\\d+) kB$`, 'm').exec(each)![1]));
  };
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

  test('unmaps pages of the program, and keeps those with contents of their own', () => {
    const [before, own] = [sum(programKib('Rss')), programKib('Anonymous')];
    native.releaseMemory();
    expect(sum(programKib('Rss'))).toBeLessThan(before);
    expect(programKib('Anonymous')).toEqual(own);
    expect(JSON.parse(JSON.stringify(native.versions()))).toEqual(native.versions());
  });
});

describe('capabilities', () => {
  test('are the effective ones of /proc/self/status', () => {
    const mask = BigInt(`0x${/^CapEff:\t(\w+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))![1]}`);
    const bits = [...mask.toString(2)].filter((bit) => bit === '1').length;
    const names = native.capabilities();
    expect(names).toHaveLength(bits);
    // Bits from capability.h: CHOWN 0, SYS_PTRACE 19, SYS_ADMIN 21, PERFMON 38, BPF 39.
    for (const [name, bit] of [
      ['CHOWN', 0n],
      ['SYS_PTRACE', 19n],
      ['SYS_ADMIN', 21n],
      ['PERFMON', 38n],
      ['BPF', 39n],
    ] as const) {
      expect([name, names.includes(name)]).toEqual([name, (mask >> bit) % 2n === 1n]);
    }
  });

  test('none without any', () => {
    const script = `const { loadNative } = await import(${JSON.stringify(loader)}); const native = loadNative();
      console.log(JSON.stringify([native.capabilities(), native.probeFeature('ringbuf')]));`;
    const node = [process.execPath, '--input-type=module', '-e', script];
    const run =
      process.getuid?.() === 0
        ? ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--no-new-privs', ...node]
        : node;
    const [names, ringbuf] = JSON.parse(execFileSync(run[0]!, run.slice(1)).toString());
    expect(names).toEqual([]);
    expect(ringbuf).toEqual({ supported: false, detail: 'create a ring buffer: Operation not permitted (EPERM)' });
  });
});

describeKernel('probeFeature', () => {
  leavesNothingInKernel();

  // Kernel symbols that came with a feature. They are a witness that is neither our probe nor a version.
  const symbols = new Set(
    [...readFileSync('/proc/kallsyms', 'utf8').matchAll(/^\w+ \w (\S+)/gm)].map(([, name]) => name!),
  );
  test.each<[FeatureName, () => boolean]>([
    ['btf', () => existsSync('/sys/kernel/btf/vmlinux')],
    ['ringbuf', () => symbols.has('bpf_ringbuf_reserve')],
    ['uprobeMulti', () => symbols.has('bpf_uprobe_multi_link_attach')],
    ['bpfLoop', () => symbols.has('bpf_loop')],
    ['attachCookie', () => symbols.has('bpf_get_attach_cookie_trace')],
    ['rawTracepoint', () => symbols.has('bpf_raw_tp_link_attach') || symbols.has('bpf_probe_register')],
    ['iterTaskVma', () => symbols.has('task_vma_seq_show')],
    ['copyFromUserStr', () => symbols.has('bpf_copy_from_user_str')],
  ])('%s', (name, witness) => {
    const answer = native.probeFeature(name);
    expect(answer.supported).toBe(witness());
    if (!answer.supported) expect(answer.detail).toMatch(/\(E[A-Z]+\)$/);
    expect(native.probeFeature(name)).toEqual(answer);
  });

  test('refuses an unknown name', () => {
    expect(() => native.probeFeature('warpDrive' as FeatureName)).toThrow(
      expect.objectContaining({ code: 'E_NATIVE', message: expect.stringContaining('warpDrive') }),
    );
  });
});
