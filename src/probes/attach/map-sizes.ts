import { release } from 'node:os';
import type { ProbeDefinition } from '../../contract/decision.ts';
import type { KernelConfig } from './kernel-config.ts';

/**
 * Whether the entries of hash maps must be made with the map. Before Linux 6.1 (34dd3bad1a6f) the kernel warns once a boot when a tracing
 * program has a map that takes memory for an entry as it comes, which ends a host with panic_on_warn, and refuses the program under
 * PREEMPT_RT. Its release decides: to try it is to be warned.
 */
export function mustPreallocate(kernelRelease = release()): boolean {
  const [major = 0, minor = 0] = kernelRelease.split('.').map((part) => Number.parseInt(part, 10));
  return major < 6 || (major === 6 && minor < 1);
}

/** What is made in advance is paid for in advance, some 1 KB an entry. */
const preallocatedShare = 1 / 8;

/** The configuration for this kernel: with fewer requests in flight where room for all of them would be taken at the start. */
export function fitToKernel(config: KernelConfig, preallocate: boolean): KernelConfig {
  return preallocate ? { ...config, maxInFlight: Math.ceil(config.maxInFlight * preallocatedShare) } : config;
}

/**
 * Each CPU keeps up to so many free entries of an LRU map to itself (LOCAL_FREE_TARGET in kernel/bpf/bpf_lru_list.c, until it was made to
 * depend on the map's size in 2025): those are no room for the others.
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
