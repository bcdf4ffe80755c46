/** Every BPF object loads in every configuration the agent can ask for, within a budget of instructions the verifier walks. */
import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { OpenOptions, ProgramInfo } from '../../native/native.d.ts';
import { loadNative } from '../../src/native.ts';
import { readBpfObject } from '../../src/probes/attach/bpf-files.ts';
import { encodeKernelConfig, type KernelConfig, type SamplerConfig } from '../../src/probes/attach/kernel-config.ts';
import { Config, Constant } from '../../src/probes/layout.gen.ts';
import { describeKernel } from '../kernel/native-fixture.ts';
import { leavesNothingInKernel } from '../support/kernel-leftovers.ts';

/**
 * Instructions by object and program: some head-room over what 6.1 to 6.18 need (go_http_server: 22,000 on 6.18), far from the
 * kernel's own limit of a million, so that growth is seen before an older or newer verifier refuses.
 */
const budgets: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  node_http: { node_http: 150_000 },
  node_sqlite: { node_sqlite: 50_000 },
  go_http: { go_http_server: 150_000 },
  go_http_client: { go_http_client: 200_000 },
  go_sql: { go_sql: 150_000 },
  postgresql: { postgresql: 200_000 },
  shared: {},
  usdt: { usdt_pair: 60_000 },
  usdt_sleepable: { usdt_pair_sleepable: 60_000 },
  process: { process_exec: 1000, process_exit: 1000 },
  vma: { vma_files: 1000 },
};

/** BTF only: it is not for loading. */
const anchors = 'contract';

test('every object that is built is in the table', () => {
  const built = readdirSync(new URL('../../build/bpf/', import.meta.url))
    .filter((name) => name.endsWith('.bpf.o'))
    .map((name) => name.slice(0, -'.bpf.o'.length));
  expect(built.sort()).toEqual([...Object.keys(budgets), anchors].sort());
});

async function load(name: string, options: Partial<OpenOptions>): Promise<ProgramInfo[]> {
  const object = loadNative().openObject({ object: readBpfObject(name), name, uprobeMulti: false, ...options });
  try {
    return object.programs();
  } finally {
    await object.close();
  }
}

async function expectWithinBudget(name: string, options: Partial<OpenOptions>): Promise<void> {
  const programs = await load(name, options);
  expect(programs.map((program) => program.name).sort()).toEqual(Object.keys(budgets[name]!).sort());
  for (const { name: program, verifiedInstructions } of programs) {
    expect(verifiedInstructions, program).toBeGreaterThan(0);
    expect(verifiedInstructions, program).toBeLessThanOrEqual(budgets[name]![program]!);
  }
}

describeKernel('loading', () => {
  leavesNothingInKernel();

  const { supported: sleeps } = loadNative().probeFeature('copyFromUserStr');
  const plain = Object.keys(budgets).filter((name) => name !== 'go_http' && (sleeps || name !== 'usdt_sleepable'));
  test.each(plain)('%s', async (name) => {
    // Nothing else makes a sleeping program of ours loadable: it exists for uprobe_multi only.
    await expectWithinBudget(name, { uprobeMulti: name === 'usdt_sleepable' });
  });

  const multi = loadNative().probeFeature('uprobeMulti');
  describe.each([
    ['one link for all sites', true],
    ['a perf link a site', false],
  ])('go_http for %s', (_links, uprobeMulti) => {
    const skipped = uprobeMulti && !multi.supported;

    const base: KernelConfig = {
      sampler: { kind: 'always_on', parentBased: true, ratio: 1 },
      maxInFlight: 16_384,
      maxPathBytes: 1024,
      maxStatementBytes: 4096,
      ringBytes: 8 << 20,
    };
    const loaded = (config: KernelConfig) =>
      expectWithinBudget('go_http', {
        uprobeMulti,
        rodata: { uspan_config: encodeKernelConfig(config) },
        mapMaxEntries: { spans: config.ringBytes, go_http_in_flight: 2 * config.maxInFlight },
      });

    test.skipIf(skipped).each([1, 2, 63, 512, 1024, 4095, Constant.TARGET_MAX_BYTES, 1 << 20])(
      'paths of %i bytes',
      async (maxPathBytes) => {
        await loaded({ ...base, maxPathBytes });
      },
    );

    const samplers: SamplerConfig[] = (['always_on', 'always_off', 'traceidratio'] as const).flatMap((kind) =>
      [false, true].map((parentBased) => ({ kind, parentBased, ratio: kind === 'traceidratio' ? 0.1 : 1 })),
    );
    test.skipIf(skipped).each(samplers)('sampler $kind, parent-based $parentBased', async (sampler) => {
      await loaded({ ...base, sampler });
    });

    test.skipIf(skipped).each([
      ['smallest', 1, 4096],
      ['largest', 1 << 20, 64 << 20],
    ])('%s maps', async (_size, maxInFlight, ringBytes) => {
      await loaded({ ...base, maxInFlight, ringBytes });
    });

    // The verifier knows .rodata; a value the agent never writes must not be what makes the program safe.
    test.skipIf(skipped).each([0, 255])('a configuration whose every byte is %i', async (byte) => {
      await expectWithinBudget('go_http', {
        uprobeMulti,
        rodata: { uspan_config: new Uint8Array(Config.size).fill(byte) },
      });
    });
  });
});
