import type { Guard } from '../../guard.ts';
import type { BpfObject, Link } from '../../native.ts';
import { EventHead, EventKind } from '../layout.gen.ts';
import { sumOfCpus } from './map-values.ts';
import { openBpfObject } from './open-object.ts';

export interface ProcessEventHandlers {
  exec(pid: number): void;
  exit(pid: number): void;
  /** It has started a program and ended since the last look. */
  passed(pid: number): void;
}

/** After this long without an event, one is handled at once, so that a server that starts does not wait. */
const quietMs = 100;
/** Otherwise events are collected. Where programs come and go all the time, most have ended by then and cost nothing. */
const collectMs = 25;

/** Gets every exec and every exit of a process on this host, as they happen or, on a busy host, a moment later. */
export class ProcessEvents {
  readonly #object: BpfObject;
  readonly #links: Link[];
  readonly #ring;
  readonly #slab = new Uint8Array(64 * 1024);
  readonly #view = new DataView(this.#slab.buffer);
  readonly #handlers: ProcessEventHandlers;
  readonly #guard: Guard;
  #drainedAtMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
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

  /** Handles what is there now. */
  drain(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#drainedAtMs = performance.now();
    for (let bytes = this.#ring.drain(this.#slab); bytes > 0; bytes = this.#ring.drain(this.#slab)) this.#handle(bytes);
  }

  /** Events that found the ring full. The next scan of /proc makes up for them. */
  lost(): number {
    const slots = this.#object.map('process_counters').lookup(new Uint8Array(4));
    return slots ? sumOfCpus(slots) : 0;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await Promise.all(this.#links.map((link) => link.close()));
    this.#ring.close();
    await this.#object.close();
  }

  /** The kernel does not wake again while the ring still has what it woke for. */
  #woken(): void {
    if (this.#timer || this.#closed) return;
    if (performance.now() - this.#drainedAtMs >= quietMs) this.drain();
    else this.#timer = setTimeout(() => this.#guard.run('process events', () => this.drain()), collectMs);
  }

  #handle(bytes: number): void {
    /** Where the last exec and the last exit of a process are. */
    const execs = new Map<number, number>();
    const exits = new Map<number, number>();
    for (let at = 0; at < bytes; at += EventHead.size) {
      const pid = this.#view.getUint32(at + EventHead.pid, true);
      const isExec = this.#view.getUint16(at + EventHead.kind, true) === EventKind.PROCESS_EXEC;
      (isExec ? execs : exits).set(pid, at);
    }
    for (const [pid, at] of exits) {
      const passed = (execs.get(pid) ?? at) < at;
      this.#guard.run('a process that ends', () => this.#handlers[passed ? 'passed' : 'exit'](pid));
      if (passed) execs.delete(pid);
    }
    for (const pid of execs.keys()) {
      this.#guard.run('a program that starts', () => this.#handlers.exec(pid));
    }
  }
}
