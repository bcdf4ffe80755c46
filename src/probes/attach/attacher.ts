/** The door to the kernel for span probes: loads the objects, attaches decisions, reads rings and counters. */
import type { InFlight, MapEntry, ProbeDefinition, Site } from '../../contract/decision.ts';
import { type BpfMap, type BpfObject, type Link, loadNative, type RingBuffer } from '../../native.ts';
import { Constant, counterNames } from '../layout.gen.ts';
import type { ProbeTable } from '../probe-table.ts';
import { type AttachDecision, Attachment } from './attachment.ts';
import { BpfObjects } from './bpf-objects.ts';
import { InFlightSweeper } from './in-flight.ts';
import { encodeProbeHead, type KernelConfig } from './kernel-config.ts';
import { keyOf, sumOfCpus, u32 } from './map-values.ts';
import { ProbeIds } from './probe-ids.ts';

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
  readonly #ids = new ProbeIds();
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
    try {
      this.#configure(decision, probeId, filterByProcess);
      for (const [program, its] of Map.groupBy(sites, (site) => programOf(definition, site) ?? usual)) {
        links.push(
          object.attachUprobes({
            program,
            path,
            offsets: BigUint64Array.from(its, ({ fileOffset }) => BigInt(fileOffset)),
            cookies: BigUint64Array.from(its, (site) => cookie(probeId, site)),
            refCtrOffsets: BigUint64Array.from(its, ({ refCtrOffset }) => BigInt(refCtrOffset ?? 0)),
          }),
        );
      }
    } catch (error) {
      for (const link of links) void link.close();
      this.#forget(decision, probeId);
      throw error;
    }
    const attachment: Attachment = new Attachment(decision, probeId, links, {
      hits: (moment) => this.#hitsOf(probeId, moment),
      closed: () => {
        this.#attachments.delete(attachment);
        this.#forget(decision, probeId);
      },
    });
    this.#attachments.add(attachment);
    return attachment;
  }

  /** Loads a definition's programs now, so that its first attach need not wait for the verifier. @throws as attach() */
  load(definition: ProbeDefinition): void {
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

  /** Detaches everything, in parallel and off the event loop; the ring can still be drained. */
  async detachAll(): Promise<void> {
    await Promise.all([...this.#attachments].map((attachment) => attachment.close()));
  }

  async close(): Promise<void> {
    await this.detachAll();
    this.#ring.close();
    await this.#objects.close();
  }

  #configure({ definition, constants, entries }: AttachDecision, probeId: number, filterByProcess: boolean): void {
    const config = Uint8Array.from(constants);
    config.set(encodeProbeHead(this.#config, filterByProcess)); // the first member of every configuration
    this.#clearHits(probeId);
    this.#variantOf(definition).object.map(definition.configMap).update(u32(probeId), config);
    for (const entry of entries) this.#mapOf(definition, entry).update(keyOf(probeId, entry.key), entry.value);
  }

  #forget({ definition, entries }: AttachDecision, probeId: number): void {
    for (const entry of entries) this.#mapOf(definition, entry).delete(keyOf(probeId, entry.key));
    this.#ids.give(probeId);
  }

  #mapOf(definition: ProbeDefinition, { map }: MapEntry): BpfMap {
    return this.#variantOf(definition).object.map(map);
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

function cookie(probeId: number, { moment, spec = 0 }: Site): bigint {
  const low = (BigInt(probeId) << BigInt(Constant.COOKIE_MOMENT_BITS)) | BigInt(moment);
  return (BigInt(spec) << BigInt(Constant.COOKIE_SPEC_SHIFT)) | low;
}
