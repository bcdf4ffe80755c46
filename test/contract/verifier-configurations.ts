/** Every configuration in which the agent can load a BPF object. */
import { globSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { OpenOptions } from '../../native/native.d.ts';
import { loadNative } from '../../src/native.ts';
import { readBpfObject } from '../../src/probes/attach/bpf-files.ts';
import { encodeKernelConfig, type KernelConfig, type SamplerConfig } from '../../src/probes/attach/kernel-config.ts';
import { definitions } from '../../src/probes/definitions/index.ts';
import { Config, Constant } from '../../src/probes/layout.gen.ts';

/** Only for BTF, and not for loading. */
const anchors = 'contract';

/** Names of the objects that scripts/build-bpf.sh makes, without `.bpf.o`. */
export function builtObjects(): string[] {
  return globSync('bpf/**/*.bpf.c', { cwd: fileURLToPath(new URL('../..', import.meta.url)) })
    .map((source) => basename(source, '.bpf.c'))
    .filter((name) => name !== anchors)
    .sort();
}

export interface Configuration {
  readonly label: string;
  readonly options: Omit<OpenOptions, 'object' | 'name'>;
}

const base: KernelConfig = {
  sampler: { kind: 'always_on', parentBased: true, ratio: 1 },
  maxInFlight: 16_384,
  maxPathBytes: 1024,
  maxStatementBytes: 4096,
  ringBytes: 8 << 20,
};

const samplers: SamplerConfig[] = (['always_on', 'always_off', 'traceidratio'] as const).flatMap((kind) =>
  [false, true].map((parentBased) => ({ kind, parentBased, ratio: kind === 'traceidratio' ? 0.1 : 1 })),
);

const kernelConfigs: readonly (readonly [label: string, config: KernelConfig])[] = [
  ...[1, 2, 63, 512, 1024, 4095, Constant.TARGET_MAX_BYTES, 1 << 20].map(
    (maxPathBytes) => [`paths of ${maxPathBytes} bytes`, { ...base, maxPathBytes }] as const,
  ),
  ...[16, 511, 4096, Constant.STATEMENT_MAX_BYTES, 1 << 20].map(
    (maxStatementBytes) => [`statements of ${maxStatementBytes} bytes`, { ...base, maxStatementBytes }] as const,
  ),
  ...samplers.map(
    (sampler) => [`sampler ${sampler.kind}, parent-based ${sampler.parentBased}`, { ...base, sampler }] as const,
  ),
  ['smallest maps', { ...base, maxInFlight: 1, ringBytes: 4096 }],
  ['largest maps', { ...base, maxInFlight: 1 << 20, ringBytes: 64 << 20 }],
];

/**
 * The kinds of link that this kernel can load an object for. `usdt_sleepable` is only for uprobe_multi, because nothing else lets a probe
 * sleep.
 */
export function linkKinds(object: string): readonly ('uprobe_multi' | 'perf')[] {
  const native = loadNative();
  const multi = native.probeFeature('uprobeMulti').supported ? (['uprobe_multi'] as const) : [];
  if (object !== 'usdt_sleepable') return [...multi, 'perf'];
  return native.probeFeature('copyFromUserStr').supported ? multi : [];
}

export function configurationsOf(object: string, link: 'uprobe_multi' | 'perf'): Configuration[] {
  const uprobeMulti = link === 'uprobe_multi';
  const plain = { label: 'as declared', options: { uprobeMulti } };
  const used = definitions.filter((each) => each.object === object || each.sleepable?.object === object);
  if (used.length === 0) return [plain];
  const maps = loadNative().mapNames(readBpfObject(object), object);
  const inFlight = used.flatMap(({ entriesPerRequest }) => Object.entries(entriesPerRequest));
  const own = inFlight.filter(([map]) => maps.includes(map));
  return [
    plain,
    ...kernelConfigs.map(([label, config]) => ({
      label,
      options: {
        uprobeMulti,
        rodata: { uspan_config: encodeKernelConfig(config) },
        mapMaxEntries: {
          spans: config.ringBytes,
          ...Object.fromEntries(own.map(([map, entries]) => [map, entries * config.maxInFlight])),
        },
      },
    })),
    // The verifier knows .rodata. The safety of a program must not depend on a value that the agent never writes.
    ...[0, 255].map((byte) => ({
      label: `a configuration whose every byte is ${byte}`,
      options: { uprobeMulti, rodata: { uspan_config: new Uint8Array(Config.size).fill(byte) } },
    })),
  ];
}

/** Loads and closes it. Returns the instructions that the verifier walked, by program. */
export async function verifiedInstructions(object: string, { options }: Configuration): Promise<Map<string, number>> {
  const loaded = loadNative().openObject({ object: readBpfObject(object), name: object, ...options });
  try {
    return new Map(loaded.programs().map((program) => [program.name, program.verifiedInstructions]));
  } finally {
    await loaded.close();
  }
}
