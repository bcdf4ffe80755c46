import { expect, test } from 'vitest';
import type { ProbeDefinition } from '../../src/contract/decision.ts';
import type { KernelConfig } from '../../src/probes/attach/kernel-config.ts';
import { fitToKernel, mapSizes, mustPreallocate } from '../../src/probes/attach/map-sizes.ts';

const config: KernelConfig = {
  sampler: { kind: 'always_on', parentBased: true, ratio: 1 },
  maxInFlight: 1000,
  maxPathBytes: 1024,
  maxStatementBytes: 4096,
  ringBytes: 4096,
};

test.each([
  ['5.15.0-91-generic', true],
  ['6.0.19', true],
  ['6.1.0-57-cloud-amd64', false],
  ['6.18.44', false],
  ['7.0.0', false],
])('Linux %s makes entries in advance: %s', (release, expected) => {
  expect(mustPreallocate(release)).toBe(expected);
});

test('room that is taken at the start is for an eighth of the requests, and never for none', () => {
  expect(fitToKernel(config, false)).toBe(config);
  expect(fitToKernel(config, true)).toEqual({ ...config, maxInFlight: 125 });
  expect(fitToKernel({ ...config, maxInFlight: 1 }, true).maxInFlight).toBe(1);
});

test('maps are as large as --max-in-flight asks, LRU maps by what each CPU keeps larger', () => {
  const definitions = [
    { entriesPerRequest: { open: 2 } },
    { entriesPerRequest: { other: 1 }, lruEntriesPerRequest: { recent: 2, rare: 1 / 16 } },
  ] as unknown as ProbeDefinition[];
  expect(Object.fromEntries(mapSizes(definitions, config, 4))).toEqual({
    spans: 4096,
    open: 2000,
    other: 1000,
    recent: 2000 + 4 * 128,
    rare: 63 + 4 * 128,
  });
});
