import type { Guard } from '../../guard.ts';
import type { BpfObject, Link } from '../../native.ts';
import { EventHead, EventKind } from '../layout.gen.ts';
import { sumOfCpus, u32 } from './map-values.ts';
import { openBpfObject } from './open-object.ts';

/** Times are in ns of CLOCK_MONOTONIC, as in records. */
export interface ProcessEventHandlers {
  /** Called for every exec and every exit, in their order, as soon as they are read. It must only take notes. */
  note(pid: number, atNs: number, what: 'exec' | 'exit'): void;
  /** It has started a program, and still runs it as far as events say. Those that other programs have followed are left out. */
  exec(pid: number, atNs: number): void;
  /** @param isFork it never started a program of its own */
  exit(pid: number, isFork: boolean): void;
  /** It was forked from one of followForks(). */
  fork(pid: number): void;
  /** It has started a program and ended since the last look. */
  passed(pid: number): void;
}

/** After this long without an event, one is handled at once, so that a server that starts does not wait. */
const quietMs = 100;
/** Otherwise events are collected. Where programs come and go all the time, most have ended by then and cost nothing. */
const collectMs = 25;

/** The last of a process's events that are not handled yet. */
interface Unhandled {
  isForked: boolean;
  execAtNs: number | undefined;
  ended: 'as a fork' | 'as a program' | undefined;
}

/** Gets every exec and every exit of a process on this host, as they happen or, on a busy host, a moment later. */
export class ProcessEvents {
  readonly #object: BpfObject;
  readonly #links: Link[];
  readonly #ring;
  readonly #slab = new Uint8Array(64 * 1024);
  readonly #view = new DataView(this.#slab.buffer);
  readonly #handlers: ProcessEventHandlers;
  readonly #guard: Guard;
  /** By pid, in the order of the last event of each. */
  readonly #unhandled = new Map<number, Unhandled>();
  #handledAtMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #followsForks = false;
  #stopped = false;
  #closed = false;

  constructor(handlers: ProcessEventHandlers, guard: Guard) {
    this.#handlers = handlers;
    this.#guard = guard;
    this.#object = openBpfObject('process', { uprobeMulti: false });
    this.#links = [
      this.#object.attachRawTracepoint('process_exec', 'sched_process_exec'),
      this.#object.attachRawTracepoint('process_exit', 'sched_process_exit'),
    ];
    this.#ring = this.#object.ring('process_events');
    this.#ring.onWakeup(() => this.#woken());
  }

  /**
   * Notes what has happened by now. A program runs no code before its exec event is in the ring, so after this call the notes have the
   * program of every record that was read before.
   */
  read(): void {
    if (this.#closed) return;
    for (let bytes = this.#ring.drain(this.#slab); bytes > 0; bytes = this.#ring.drain(this.#slab)) this.#note(bytes);
    if (this.#unhandled.size > 0) this.#handleSoon();
  }

  /** Events that found the ring full. The next scan of /proc makes up for them. */
  lost(): number {
    const slots = this.#object.map('process_counters').lookup(new Uint8Array(4));
    return slots ? sumOfCpus(slots) : 0;
  }

  /** From now on, tells what this process forks, or no longer does. @throws UspanError-coded E_ATTACH, E_BPF_MAP */
  followForks(pid: number, isFollowed: boolean): void {
    if (this.#closed) return;
    const parents = this.#object.map('fork_parents');
    if (!isFollowed) {
      parents.delete(u32(pid));
      return;
    }
    if (!this.#followsForks) this.#links.push(this.#object.attachRawTracepoint('process_fork', 'sched_process_fork'));
    this.#followsForks = true;
    parents.update(u32(pid), u32(1));
  }

  /** Events are still noted, and no longer handled. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async close(): Promise<void> {
    this.stop();
    this.#closed = true;
    await Promise.all(this.#links.map((link) => link.close()));
    this.#ring.close();
    await this.#object.close();
  }

  /** The kernel does not wake again while the ring still has what it woke for. */
  #woken(): void {
    if (this.#timer || this.#stopped) return;
    if (performance.now() - this.#handledAtMs >= quietMs) this.#handle();
    else this.#handleSoon();
  }

  #handleSoon(): void {
    if (this.#timer || this.#stopped) return;
    this.#timer = setTimeout(() => this.#guard.run('process events', () => this.#handle()), collectMs);
  }

  #note(bytes: number): void {
    for (let at = 0; at < bytes; at += EventHead.size) {
      const pid = this.#view.getUint32(at + EventHead.pid, true);
      const atNs = Number(this.#view.getBigUint64(at + EventHead.ktimeNs, true));
      const kind = this.#view.getUint16(at + EventHead.kind, true);
      const isExec = kind === EventKind.PROCESS_EXEC;
      if (kind === EventKind.PROCESS_FORK) {
        this.#unhandled.delete(pid);
        this.#unhandled.set(pid, { isForked: true, execAtNs: undefined, ended: undefined });
        continue;
      }
      this.#guard.run('a note of a process event', () => this.#handlers.note(pid, atNs, isExec ? 'exec' : 'exit'));
      const before = this.#unhandled.get(pid);
      this.#unhandled.delete(pid);
      const ended = isExec ? undefined : kind === EventKind.FORK_EXIT ? 'as a fork' : 'as a program';
      this.#unhandled.set(pid, { isForked: false, execAtNs: isExec ? atNs : before?.execAtNs, ended });
    }
  }

  #handle(): void {
    this.#handledAtMs = performance.now();
    this.read();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const [pid, { isForked, execAtNs, ended }] of this.#unhandled) {
      this.#unhandled.delete(pid);
      if (isForked) this.#guard.run('a process that is forked', () => this.#handlers.fork(pid));
      else if (!ended) this.#guard.run('a program that starts', () => this.#handlers.exec(pid, execAtNs!));
      else if (execAtNs === undefined || ended === 'as a fork') {
        this.#guard.run('a process that ends', () => this.#handlers.exit(pid, ended === 'as a fork'));
      } else this.#guard.run('a process that ends', () => this.#handlers.passed(pid));
    }
  }
}
