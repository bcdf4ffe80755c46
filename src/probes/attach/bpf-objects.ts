import type { ProbeDefinition } from '../../contract/decision.ts';
import { type BpfMap, type BpfObject, loadNative, type RingBuffer } from '../../native.ts';
import { readBpfObject } from './bpf-files.ts';
import { encodeKernelConfig, type KernelConfig } from './kernel-config.ts';
import { fitToKernel, mapSizes, mustPreallocate } from './map-sizes.ts';
import { u32 } from './map-values.ts';
import { openBpfObject } from './open-object.ts';

/** It declares what every object uses, and has no program. */
const sharedObject = 'shared';

/**
 * The BPF objects of the definitions. Each is opened when it is first needed. Maps of the same name in several objects are one map: that of
 * the object that was opened first.
 */
export class BpfObjects {
  readonly uprobeMulti: boolean;
  readonly #config: KernelConfig;
  readonly #preallocate = mustPreallocate();
  #sizes: ReadonlyMap<string, number>;
  readonly #objects = new Map<string, BpfObject>();
  readonly #maps = new Map<string, BpfMap>();

  /** @throws UspanError-coded E_BPF_OPEN, E_BPF_LOAD */
  constructor(definitions: readonly ProbeDefinition[], config: KernelConfig) {
    this.#config = fitToKernel(config, this.#preallocate);
    this.uprobeMulti = loadNative().probeFeature('uprobeMulti').supported;
    this.#sizes = new Map([['spans', config.ringBytes]]);
    this.#sizes = mapSizes(definitions, this.#config, this.#possibleCpus());
  }

  /** Loads the object, unless that was done before. @throws UspanError-coded E_BPF_OPEN, E_BPF_LOAD */
  open(name: string): BpfObject {
    const before = this.#objects.get(name);
    if (before) return before;
    const names = loadNative().mapNames(readBpfObject(name), name);
    const own = names.filter((map) => !this.#maps.has(map));
    const object = openBpfObject(name, {
      rodata: { uspan_config: encodeKernelConfig(this.#config) },
      mapMaxEntries: pick(own, this.#sizes),
      sharedMaps: pick(names, this.#maps),
      preallocateMaps: this.#preallocate,
      uprobeMulti: this.uprobeMulti,
    });
    this.#objects.set(name, object);
    for (const map of own) this.#maps.set(map, object.map(map));
    return object;
  }

  /** A map that every object has. */
  shared(name: string): BpfMap {
    return this.open(sharedObject).map(name);
  }

  /** A ring that every object has. */
  ring(name: string): RingBuffer {
    return this.open(sharedObject).ring(name);
  }

  /** A per-CPU map has a u64 for each possible CPU, online or not. */
  #possibleCpus(): number {
    return this.shared('counters').lookup(u32(0))!.byteLength / 8;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#objects.values()].map((object) => object.close()));
  }
}

function pick<V>(names: readonly string[], from: ReadonlyMap<string, V>): Record<string, V> {
  return Object.fromEntries(names.filter((name) => from.has(name)).map((name) => [name, from.get(name)!]));
}
