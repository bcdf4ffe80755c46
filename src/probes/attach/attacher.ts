/** The door to the kernel for span probes: loads the objects, attaches decisions, reads rings and counters. */
import { UspanError } from '../../contract/errors.ts';
import { type BpfMap, type BpfObject, loadNative, type RingBuffer } from '../../native.ts';
import { Constant, counterNames, HttpInFlight, HttpInFlightKey, Moment } from '../layout.gen.ts';
import { type AttachDecision, Attachment } from './attachment.ts';
import { readBpfObject } from './bpf-files.ts';
import { encodeKernelConfig, type KernelConfig } from './kernel-config.ts';
import { sumOfCpus, u32, u64 } from './map-values.ts';

export class Attacher {
  readonly uprobeMulti: boolean;
  readonly #object: BpfObject;
  readonly #ring: RingBuffer;
  readonly #counters: BpfMap;
  readonly #hits: BpfMap;
  readonly #targets: BpfMap;
  readonly #inFlight: BpfMap;
  readonly #attachments = new Set<Attachment>();
  /** Entries of in_flight that sweep() has removed so far. */
  #swept = 0;
  #nextProbeId = 0;
  readonly #freeProbeIds: number[] = [];

  /** Loads the programs. @throws UspanError-coded E_BPF_OPEN, E_BPF_LOAD */
  constructor(config: KernelConfig) {
    const native = loadNative();
    this.uprobeMulti = native.probeFeature('uprobeMulti').supported;
    this.#object = native.openObject({
      object: readBpfObject('go_http'),
      name: 'go_http',
      rodata: { uspan_config: encodeKernelConfig(config) },
      mapMaxEntries: { spans: config.ringBytes, in_flight: 2 * config.maxInFlight },
      uprobeMulti: this.uprobeMulti,
    });
    this.#ring = this.#object.ring('spans');
    this.#counters = this.#object.map('counters');
    this.#hits = this.#object.map('hits');
    this.#targets = this.#object.map('targets');
    this.#inFlight = this.#object.map('in_flight');
  }

  /**
   * Attaches all sites of a decision by one link. `path` must lead to the binary's inode (/proc/self/fd/N will do).
   * @throws UspanError-coded E_ATTACH; then nothing of it is attached
   */
  attach(decision: AttachDecision, path: string, filterByProcess: boolean): Attachment {
    const probeId = this.#freeProbeIds.pop() ?? this.#nextProbeId++;
    if (probeId >= Constant.MAX_PROBES) {
      throw new UspanError('E_ATTACH', `no more than ${Constant.MAX_PROBES} definitions can be attached at a time`, {
        on: decision.binary.path,
        fix: 'Choose fewer targets with --exe, --pid or --port.',
      });
    }
    const config = Uint8Array.from(decision.constants);
    config[0] = filterByProcess ? 1 : 0; // filter_by_process, the first field of every configuration
    this.#clearHits(probeId);
    this.#object.map(decision.definition.configMap).update(u32(probeId), config);
    const cookie = (moment: number) => (BigInt(probeId) << BigInt(Constant.COOKIE_MOMENT_BITS)) | BigInt(moment);
    try {
      const link = this.#object.attachUprobes({
        program: decision.definition.program,
        path,
        offsets: BigUint64Array.from(decision.sites, (site) => BigInt(site.fileOffset)),
        cookies: BigUint64Array.from(decision.sites, (site) => cookie(site.moment)),
      });
      const attachment: Attachment = new Attachment(decision, probeId, link, {
        hits: (moment) => this.#hitsOf(probeId, moment),
        closed: () => {
          this.#attachments.delete(attachment);
          this.#freeProbeIds.push(probeId);
        },
      });
      this.#attachments.add(attachment);
      return attachment;
    } catch (error) {
      this.#freeProbeIds.push(probeId);
      throw error;
    }
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

  #hitsOf(probeId: number, moment: number): number {
    const values = this.#hits.lookup(u32(probeId * Moment.COUNT + moment));
    return values ? sumOfCpus(values) : 0;
  }

  /**
   * Removes what processes left behind.
   * @returns how many requests had begun and will not end
   */
  sweep(gone: (pid: number) => boolean): number {
    const keys = this.#inFlight.keys();
    const view = new DataView(keys.buffer, keys.byteOffset, keys.byteLength);
    let unfinished = 0;
    const before = this.#swept;
    for (let at = 0; at + HttpInFlightKey.size <= keys.byteLength; at += HttpInFlightKey.size) {
      if (!gone(view.getUint32(at + HttpInFlightKey.pid, true))) continue;
      const key = keys.subarray(at, at + HttpInFlightKey.size);
      const entry = this.#inFlight.lookup(key);
      if (entry && entry[HttpInFlight.active] !== 0) unfinished++;
      if (this.#inFlight.delete(key)) this.#swept++;
    }
    // The kernel side counts entries to know how many it may keep.
    if (this.#swept !== before) this.#object.map('.data.swept').update(u32(0), u64(this.#swept));
    return unfinished;
  }

  /** Detaches everything, in parallel and off the event loop; the ring can still be drained. */
  async detachAll(): Promise<void> {
    await Promise.all([...this.#attachments].map((attachment) => attachment.close()));
  }

  async close(): Promise<void> {
    await this.detachAll();
    this.#ring.close();
    await this.#object.close();
  }

  /** A probe id is used again after a detach; its hits start from zero. */
  #clearHits(probeId: number): void {
    for (let moment = 0; moment < Moment.COUNT; moment++) {
      const key = u32(probeId * Moment.COUNT + moment);
      const values = this.#hits.lookup(key);
      if (values) this.#hits.update(key, values.fill(0));
    }
  }
}
