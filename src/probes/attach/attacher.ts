/** The door to the kernel for span probes: loads the objects, attaches decisions, reads rings and counters. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { InFlight, ProbeDefinition, Site } from '../../contract/decision.ts';
import { type BpfMap, type BpfObject, type Link, loadNative, type RingBuffer } from '../../native.ts';
import { Constant, counterNames } from '../layout.gen.ts';
import type { ProbeTable } from '../probe-table.ts';
import { type AttachDecision, Attachment } from './attachment.ts';
import { BpfObjects } from './bpf-objects.ts';
import { kernelLacks } from './features.ts';
import { GoBinaries } from './go-binaries.ts';
import { InFlightSweeper } from './in-flight.ts';
import { encodeProbeHead, type KernelConfig } from './kernel-config.ts';
import { sumOfCpus, u32 } from './map-values.ts';
import { Numbers } from './numbers.ts';

export class Attacher {
  readonly uprobeMulti: boolean;
  /** Whether programs may sleep and read strings that are not in memory yet. */
  readonly #canSleep: boolean;
  readonly #config: KernelConfig;
  readonly #objects: BpfObjects;
  readonly #ring: RingBuffer;
  readonly #counters: BpfMap;
  readonly #hits: BpfMap;
  readonly #targets: BpfMap;
  readonly #sweepers = new Map<InFlight, InFlightSweeper>();
  readonly #attachments = new Set<Attachment>();
  readonly #ids = new Numbers(Constant.MAX_PROBES, 'definitions can be attached at a time');
  readonly #specSlots = new Numbers(Constant.USDT_SPECS, 'different places of USDT arguments can be known at a time');
  readonly #goBinaries = new GoBinaries();
  readonly #probes: ProbeTable;

  /** Makes the maps, and writes attachments into `probes`. Programs are loaded when they are first attached. @throws UspanError-coded E_BPF_OPEN, E_BPF_LOAD */
  constructor(definitions: readonly ProbeDefinition[], config: KernelConfig, probes: ProbeTable) {
    this.#probes = probes;
    this.#config = config;
    this.#objects = new BpfObjects(definitions, config);
    this.uprobeMulti = this.#objects.uprobeMulti;
    this.#canSleep = this.uprobeMulti && loadNative().probeFeature('copyFromUserStr').supported;
    this.#ring = this.#objects.ring('spans');
    this.#counters = this.#objects.shared('counters');
    this.#hits = this.#objects.shared('hits');
    this.#targets = this.#objects.shared('targets');
  }

  /**
   * Attaches all sites of a decision, by one link a program. `path` must lead to the binary's inode (/proc/self/fd/N will do).
   * @throws UspanError-coded E_ATTACH, E_BPF_OPEN, E_BPF_LOAD; then nothing of it is attached
   */
  attach(decision: AttachDecision, path: string, filterByProcess: boolean): Attachment {
    const { definition, sites } = decision;
    const { object, program: usual } = this.#variantOf(definition);
    for (const layout of definition.inFlight) {
      if (!this.#sweepers.has(layout)) this.#sweepers.set(layout, new InFlightSweeper(layout, object));
    }
    const probeId = this.#ids.take(decision.binary.path);
    this.#probes.set(probeId, definition, decision.binary);
    const links: Link[] = [];
    /** By `Site.spec`. */
    const slots = new Map<number, number>();
    try {
      this.#configure(decision, probeId, filterByProcess);
      this.#putEntries(decision, slots);
      for (const [program, its] of Map.groupBy(sites, (site) => programOf(definition, site) ?? usual)) {
        links.push(
          object.attachUprobes({
            program,
            path,
            offsets: BigUint64Array.from(its, ({ fileOffset }) => BigInt(fileOffset)),
            cookies: BigUint64Array.from(its, (site) => cookie(probeId, site, slots)),
            refCtrOffsets: BigUint64Array.from(its, ({ refCtrOffset }) => BigInt(refCtrOffset ?? 0)),
          }),
        );
      }
    } catch (error) {
      for (const link of links) void link.close();
      this.#forget(probeId, slots);
      throw error;
    }
    const attachment: Attachment = new Attachment(decision, probeId, links, {
      hits: (moment) => this.#hitsOf(probeId, moment),
      closed: () => {
        this.#attachments.delete(attachment);
        this.#forget(probeId, slots);
      },
    });
    this.#attachments.add(attachment);
    return attachment;
  }

  /** Loads a definition's programs now, so that its first attach need not wait for the verifier. @throws as attach() */
  load(definition: ProbeDefinition): void {
    const lacks = kernelLacks();
    if (definition.needs?.some((need) => lacks.includes(need))) return;
    this.#variantOf(definition);
  }

  /** Lets a process's requests through where its binary is attached with a filter. */
  addTarget(pid: number): void {
    this.#targets.update(u32(pid), u32(1));
  }

  removeTarget(pid: number): void {
    this.#targets.delete(u32(pid));
  }

  /** Copies finished spans into `slab`; bytes written. */
  drain(slab: Uint8Array): number {
    return this.#ring.drain(slab);
  }

  /** Records that were lost because they are larger than the slab given to drain(). */
  get oversizedRecords(): number {
    return this.#ring.oversizedRecords;
  }

  onWakeup(callback: () => void): void {
    this.#ring.onWakeup(callback);
  }

  /** The kernel's counters, by value of `enum uspan_counter`. */
  counters(): number[] {
    return counterNames.map((_, slot) => {
      const values = this.#counters.lookup(u32(slot));
      return values ? sumOfCpus(values) : 0;
    });
  }

  /**
   * Removes what processes left behind.
   * @returns how many requests had begun and will not end
   */
  sweep(gone: (pid: number) => boolean): number {
    return [...this.#sweepers.values()].reduce((sum, sweeper) => sum + sweeper.sweep(gone), 0);
  }

  /** As sweep(), with a turn of the event loop after each map: one can have tens of thousands of entries. */
  async sweepInTurns(gone: (pid: number) => boolean): Promise<number> {
    let unfinished = 0;
    for (const sweeper of [...this.#sweepers.values()]) {
      unfinished += sweeper.sweep(gone);
      await nextTurn();
    }
    return unfinished;
  }

  /** Attachments there are, those that are being detached included. */
  get attached(): number {
    return this.#attachments.size;
  }

  /** Detaches everything, in parallel and off the event loop; the ring can still be drained. */
  async detachAll(): Promise<void> {
    await Promise.all([...this.#attachments].map((attachment) => attachment.close()));
  }

  async close(): Promise<void> {
    await this.detachAll();
    this.#ring.close();
    await this.#objects.close();
  }

  #configure(decision: AttachDecision, probeId: number, filterByProcess: boolean): void {
    const { definition, constants } = decision;
    const config = Uint8Array.from(constants);
    const { object } = this.#variantOf(definition);
    const binary = this.#goBinaries.take(decision, probeId, object);
    config.set(encodeProbeHead(this.#config, filterByProcess, binary)); // the first member of every configuration
    this.#clearHits(probeId);
    object.map(definition.configMap).update(u32(probeId), config);
  }

  /** Gives each entry a slot of its array, which goes into `slots`. */
  #putEntries({ definition, binary, entries }: AttachDecision, slots: Map<number, number>): void {
    for (const { map, spec, value } of entries) {
      const slot = this.#specSlots.take(binary.path);
      slots.set(spec, slot);
      this.#variantOf(definition).object.map(map).update(u32(slot), value);
    }
  }

  #forget(probeId: number, slots: ReadonlyMap<number, number>): void {
    for (const slot of slots.values()) this.#specSlots.give(slot);
    this.#goBinaries.give(probeId);
    this.#ids.give(probeId);
  }

  /** The object and program this kernel can run best. */
  #variantOf({ object, program, sleepable }: ProbeDefinition): { object: BpfObject; program: string } {
    const chosen = this.#canSleep && sleepable ? sleepable : { object, program };
    return { object: this.#objects.open(chosen.object), program: chosen.program };
  }

  #hitsOf(probeId: number, moment: number): number {
    const values = this.#hits.lookup(u32(probeId * Constant.MAX_MOMENTS + moment));
    return values ? sumOfCpus(values) : 0;
  }

  /** A probe id is used again after a detach; its hits start from zero. */
  #clearHits(probeId: number): void {
    for (let moment = 0; moment < Constant.MAX_MOMENTS; moment++) {
      const key = u32(probeId * Constant.MAX_MOMENTS + moment);
      const values = this.#hits.lookup(key);
      if (values) this.#hits.update(key, values.fill(0));
    }
  }
}

function programOf({ points }: ProbeDefinition, site: Site): string | undefined {
  return points.find(({ moment }) => moment === site.moment)?.program;
}

function cookie(probeId: number, { moment, spec = 0 }: Site, slots: ReadonlyMap<number, number>): bigint {
  const low = (BigInt(probeId) << BigInt(Constant.COOKIE_MOMENT_BITS)) | BigInt(moment);
  // A site that has none of its binary's entries must not find another's.
  const high = slots.size === 0 ? spec : (slots.get(spec) ?? Constant.USDT_SPECS);
  return (BigInt(high) << BigInt(Constant.COOKIE_SPEC_SHIFT)) | low;
}
