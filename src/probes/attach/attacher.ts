/** The door to the kernel for span probes: loads the objects, attaches decisions, reads rings and counters. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { AttachmentGroup, InFlight, ProbeDefinition, Site } from '../../contract/decision.ts';
import { type BpfMap, type BpfObject, type Link, loadNative, type RingBuffer } from '../../native.ts';
import { Constant, counterNames, ProbeHead } from '../layout.gen.ts';
import type { ProbeTable } from '../probe-table.ts';
import { type AttachDecision, Attachment } from './attachment.ts';
import { BpfObjects } from './bpf-objects.ts';
import { kernelLacks } from './features.ts';
import { GoBinaries } from './go-binaries.ts';
import { type Gone, InFlightSweeper } from './in-flight.ts';
import { encodeProbeHead, type KernelConfig } from './kernel-config.ts';
import { sumOfCpus, u32 } from './map-values.ts';
import { needsLinkPerProcess } from './needs-link-per-process.ts';
import { Numbers } from './numbers.ts';
import { ProcessLinks } from './process-links.ts';

/** A decision that is attached, alone or with others of its group. */
interface Member {
  readonly decision: AttachDecision;
  readonly probeId: number;
  /** Slots in arrays of its program, by site argument. */
  readonly slots: Map<number, number>;
}

export class Attacher {
  readonly uprobeMulti: boolean;
  /** Whether programs may sleep, and so can read strings that are not in memory yet. */
  readonly #canSleep: boolean;
  readonly #config: KernelConfig;
  readonly #objects: BpfObjects;
  readonly #ring: RingBuffer;
  readonly #counters: BpfMap;
  readonly #hits: BpfMap;
  /** Processes whose requests are let through where a binary is attached with a filter. See addTarget(). */
  readonly targets: BpfMap;
  readonly #sweepers = new Map<InFlight, InFlightSweeper>();
  readonly #attachments = new Set<Attachment>();
  readonly #ids = new Numbers(Constant.MAX_PROBES, 'definitions can be attached at a time');
  readonly #specSlots = new Numbers(Constant.USDT_SPECS, 'different places of USDT arguments can be known at a time');
  readonly #goBinaries = new GoBinaries();
  readonly #probes: ProbeTable;
  #closed = false;

  /**
   * Makes the maps, and writes attachments into `probes`. It loads a program when it is first attached. @throws UspanError-coded
   * E_BPF_OPEN, E_BPF_LOAD
   */
  constructor(definitions: readonly ProbeDefinition[], config: KernelConfig, probes: ProbeTable) {
    this.#probes = probes;
    this.#config = config;
    this.#objects = new BpfObjects(definitions, config);
    this.uprobeMulti = this.#objects.uprobeMulti;
    this.#canSleep = this.uprobeMulti && loadNative().probeFeature('copyFromUserStr').supported;
    this.#ring = this.#objects.ring('spans');
    this.#counters = this.#objects.shared('counters');
    this.#hits = this.#objects.shared('hits');
    this.targets = this.#objects.shared('targets');
  }

  /**
   * Attaches all sites of decisions for one binary, with one link for each program. It takes one decision, or all of the same group
   * (attachedTogether()). The attachments of a group share their links and their hits, and must be closed together. `path` must lead to the
   * binary's inode (/proc/self/fd/N is allowed). What needs a link for each process has none yet: see Attachment.processLinks.
   * @throws UspanError-coded E_ATTACH, E_BPF_OPEN, E_BPF_LOAD, and then nothing is attached
   */
  attach(decisions: readonly AttachDecision[], path: string, filterByProcess: boolean): Attachment[] {
    const members: Member[] = [];
    let links: readonly Link[] | ProcessLinks;
    try {
      for (const decision of decisions) members.push(this.#take(decision));
      for (const member of members) {
        this.#configure(member, members, filterByProcess);
        this.#putEntries(member);
      }
      const attach = (to: string, pid?: number) => this.#link(members, to, pid);
      const kind = this.uprobeMulti ? 'uprobe_multi' : 'perf';
      links = decisions.some(needsLinkPerProcess) ? new ProcessLinks(kind, attach) : attach(path);
    } catch (error) {
      for (const member of members) this.#forget(member);
      throw error;
    }
    return members.map((member) => this.#attachment(member, members[0]!, links));
  }

  /** One link for each program. */
  #link(members: readonly Member[], path: string, pid: number | undefined): Link[] {
    const links: Link[] = [];
    try {
      for (const [program, { object, sites }] of this.#programs(members)) {
        links.push(
          object.attachUprobes({
            program,
            path,
            offsets: BigUint64Array.from(sites, ([{ fileOffset }]) => BigInt(fileOffset)),
            cookies: BigUint64Array.from(sites, ([site, { slots }]) => cookie(members[0]!.probeId, site, slots)),
            refCtrOffsets: BigUint64Array.from(sites, ([{ refCtrOffset }]) => BigInt(refCtrOffset ?? 0)),
            pid: pid ?? 0,
          }),
        );
      }
    } catch (error) {
      for (const link of links) void link.close();
      throw error;
    }
    return links;
  }

  /** Loads a definition's programs now, so that its first attach need not wait for the verifier. @throws as attach() */
  load(definition: ProbeDefinition): void {
    const lacks = kernelLacks();
    if (definition.needs?.some((need) => lacks.includes(need))) return;
    this.#variantOf(definition);
    if (definition.group) this.#objects.open(definition.group.object);
  }

  /** Lets a process's requests through if its binary is attached with a filter. */
  addTarget(pid: number): void {
    this.targets.update(u32(pid), u32(1));
  }

  removeTarget(pid: number): void {
    this.targets.delete(u32(pid));
  }

  /** Copies finished spans into `slab`. Returns the bytes written. */
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
   * Removes what ended programs left.
   * @returns the number of open spans that will not end
   */
  sweep(gone: Gone): number {
    return [...this.#sweepers.values()].reduce((sum, sweeper) => sum + sweeper.sweep(gone), 0);
  }

  /** As sweep(), with a turn of the event loop after each map, because a map can have tens of thousands of entries. */
  async sweepInTurns(gone: Gone): Promise<number> {
    let unfinished = 0;
    for (const sweeper of [...this.#sweepers.values()]) {
      if (this.#closed) break; // One that began before the end.
      unfinished += sweeper.sweep(gone);
      await nextTurn();
    }
    return unfinished;
  }

  /** The number of attachments, including those that are being detached. */
  get attached(): number {
    return this.#attachments.size;
  }

  /** Perf links that are attached: the kernel removes one after the other. See docs/how-it-works.md, "Stopping". */
  get perfLinks(): number {
    return [...this.#attachments].reduce((sum, { kind, linkCount }) => sum + (kind === 'perf' ? linkCount : 0), 0);
  }

  /** From now on, every hit is one of a process that is not selected, so programs return at once. For detaches that take long. */
  stopCollecting(): void {
    for (const { decision, probeId } of this.#attachments) {
      const configs = this.#variantOf(decision.definition).object.map(decision.definition.configMap);
      const config = configs.lookup(u32(probeId));
      if (!config) continue;
      config.set(u32(1), ProbeHead.filterByProcess); // struct uspan_probe_head is the first member of every configuration
      configs.update(u32(probeId), config);
    }
    const pids = this.targets.keys();
    for (let at = 0; at < pids.length; at += 4) this.targets.delete(pids.subarray(at, at + 4));
  }

  /** Detaches everything, in parallel and off the event loop. The ring can still be drained. */
  async detachAll(): Promise<void> {
    await Promise.all([...this.#attachments].map((attachment) => attachment.close()));
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.detachAll();
    this.#ring.close();
    await this.#objects.close();
  }

  #take(decision: AttachDecision): Member {
    const { definition, binary } = decision;
    const { object } = this.#variantOf(definition);
    for (const layout of definition.inFlight) {
      if (!this.#sweepers.has(layout)) this.#sweepers.set(layout, new InFlightSweeper(layout, object));
    }
    const probeId = this.#ids.take(binary.path);
    this.#probes.set(probeId, definition, binary);
    return { decision, probeId, slots: new Map() };
  }

  /** Hits of the sites of all members are counted for the first member. */
  #attachment(member: Member, { probeId: countedFor }: Member, links: readonly Link[] | ProcessLinks): Attachment {
    const attachment: Attachment = new Attachment(member.decision, member.probeId, links, {
      hits: (moment) => this.#hitsOf(countedFor, moment),
      closed: () => {
        this.#attachments.delete(attachment);
        this.#forget(member);
      },
    });
    this.#attachments.add(attachment);
    return attachment;
  }

  /** The sites of each program, by its name. A site that several members share is there once. */
  #programs(members: readonly Member[]): Map<string, { object: BpfObject; sites: (readonly [Site, Member])[] }> {
    const programs = new Map<string, { object: BpfObject; sites: (readonly [Site, Member])[] }>();
    for (const member of members) {
      for (const site of member.decision.sites) {
        const { object, program } = this.#programOf(member.decision.definition, site);
        const its = programs.get(program) ?? { object, sites: [] };
        programs.set(program, its);
        const isOfAnother = ([other, { probeId }]: readonly [Site, Member]) =>
          probeId !== member.probeId && other.fileOffset === site.fileOffset;
        if (members.length === 1 || !its.sites.some(isOfAnother)) its.sites.push([site, member]);
      }
    }
    return programs;
  }

  #programOf(definition: ProbeDefinition, site: Site): { object: BpfObject; program: string } {
    const variant = this.#variantOf(definition);
    const own = definition.points.find(({ moment }) => moment === site.moment)?.program;
    if (own !== undefined) return { ...variant, program: own };
    const { group } = definition;
    return group ? { object: this.#objects.open(group.object), program: group.program } : variant;
  }

  #configure({ decision, probeId }: Member, members: readonly Member[], filterByProcess: boolean): void {
    const { definition, constants } = decision;
    const config = Uint8Array.from(constants);
    if (definition.group) putProbeIds(config, definition.group, members);
    const { object } = this.#variantOf(definition);
    const binary = this.#goBinaries.take(decision, probeId, object);
    config.set(encodeProbeHead(this.#config, filterByProcess, binary)); // the first member of every configuration
    this.#clearHits(probeId);
    object.map(definition.configMap).update(u32(probeId), config);
  }

  /** Gives each entry a slot of its array. */
  #putEntries({ decision: { definition, binary, entries }, slots }: Member): void {
    for (const { map, spec, value } of entries) {
      const slot = this.#specSlots.take(binary.path);
      slots.set(spec, slot);
      this.#variantOf(definition).object.map(map).update(u32(slot), value);
    }
  }

  #forget({ probeId, slots }: Member): void {
    for (const slot of slots.values()) this.#specSlots.give(slot);
    this.#goBinaries.give(probeId);
    this.#ids.give(probeId);
  }

  /** The best object and program that this kernel can run. */
  #variantOf({ object, program, sleepable }: ProbeDefinition): { object: BpfObject; program: string } {
    const chosen = this.#canSleep && sleepable ? sleepable : { object, program };
    return { object: this.#objects.open(chosen.object), program: chosen.program };
  }

  #hitsOf(probeId: number, moment: number): number {
    const values = this.#hits.lookup(u32(probeId * Constant.MAX_MOMENTS + moment));
    return values ? sumOfCpus(values) : 0;
  }

  /** An attachment id is used again after a detach, so its hits start from zero. */
  #clearHits(probeId: number): void {
    for (let moment = 0; moment < Constant.MAX_MOMENTS; moment++) {
      const key = u32(probeId * Constant.MAX_MOMENTS + moment);
      const values = this.#hits.lookup(key);
      if (values) this.#hits.update(key, values.fill(0));
    }
  }
}

/** Writes the attachment ids of all members into a member's configuration. */
function putProbeIds(config: Uint8Array, { probesOffset }: AttachmentGroup, members: readonly Member[]): void {
  const view = new DataView(config.buffer, config.byteOffset);
  for (const { decision, probeId } of members) {
    view.setUint16(probesOffset + 2 * decision.definition.group!.role, probeId, true);
  }
}

function cookie(probeId: number, { moment, spec = 0 }: Site, slots: ReadonlyMap<number, number>): bigint {
  const low = (BigInt(probeId) << BigInt(Constant.COOKIE_MOMENT_BITS)) | BigInt(moment);
  // A site without an entry of its own binary must not find another binary's.
  const high = slots.size === 0 ? spec : (slots.get(spec) ?? Constant.USDT_SPECS);
  return (BigInt(high) << BigInt(Constant.COOKIE_SPEC_SHIFT)) | low;
}
