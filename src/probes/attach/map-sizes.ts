import { release } from 'node:os';
import type { ProbeDefinition } from '../../contract/decision.ts';
import type { KernelConfig } from './kernel-config.ts';

/**
 * Whether hash maps must allocate all entries with the map. Before Linux 6.1 (34dd3bad1a6f), the kernel warns once per boot if a tracing
 * program has a map that allocates an entry when it comes. That warning ends a host with panic_on_warn. Under PREEMPT_RT the kernel refuses
 * the program. The kernel's release decides, because trying it would cause the warning.
 */
export function mustPreallocate(kernelRelease = release()): boolean {
  const [major = 0, minor = 0] = kernelRelease.split('.').map((part) => Number.parseInt(part, 10));
  return major < 6 || (major === 6 && minor < 1);
}

/** Entries made in advance cost memory in advance, some 1 KB each. */
const preallocatedShare = 1 / 8;

/** The configuration for this kernel. If the maps allocate all entries at the start, it has fewer requests in flight. */
export function fitToKernel(config: KernelConfig, preallocate: boolean): KernelConfig {
  return preallocate ? { ...config, maxInFlight: Math.ceil(config.maxInFlight * preallocatedShare) } : config;
}

/**
 * Each CPU keeps up to this many free entries of an LRU map to itself (LOCAL_FREE_TARGET in kernel/bpf/bpf_lru_list.c, until 2025, when it
 * began to depend on the map's size). Other CPUs cannot use them.
 */
const lruEntriesOfCpu = 128;

/** max_entries of the maps that definitions size by `--max-in-flight`, and of the ring. */
export function mapSizes(
  definitions: readonly ProbeDefinition[],
  config: KernelConfig,
  cpus: number,
): Map<string, number> {
  const sizes = new Map([['spans', config.ringBytes]]);
  for (const { entriesPerRequest, lruEntriesPerRequest = {} } of definitions) {
    for (const [map, entries] of Object.entries(entriesPerRequest)) sizes.set(map, entries * config.maxInFlight);
    for (const [map, entries] of Object.entries(lruEntriesPerRequest)) {
      sizes.set(map, Math.ceil(entries * config.maxInFlight) + lruEntriesOfCpu * cpus);
    }
  }
  return sizes;
}
