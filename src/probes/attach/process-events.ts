import type { Guard } from '../../guard.ts';
import { type BpfObject, type Link, loadNative } from '../../native.ts';
import { EventHead, EventKind } from '../layout.gen.ts';
import { readBpfObject } from './bpf-files.ts';
import { sumOfCpus } from './map-values.ts';

export interface ProcessEventHandlers {
  exec(pid: number): void;
  exit(pid: number): void;
}

/** Told of every exec and every exit of a process on this host, as they happen. */
export class ProcessEvents {
  readonly #object: BpfObject;
  readonly #links: Link[];
  readonly #ring;
  readonly #slab = new Uint8Array(64 * 1024);
  readonly #view = new DataView(this.#slab.buffer);
  readonly #handlers: ProcessEventHandlers;
  readonly #guard: Guard;

  constructor(handlers: ProcessEventHandlers, guard: Guard) {
    this.#handlers = handlers;
    this.#guard = guard;
    this.#object = loadNative().openObject({ object: readBpfObject('process'), name: 'process', uprobeMulti: false });
    this.#links = [
      this.#object.attachRawTracepoint('process_exec', 'sched_process_exec'),
      this.#object.attachRawTracepoint('process_exit', 'sched_process_exit'),
    ];
    this.#ring = this.#object.ring('process_events');
    this.#ring.onWakeup(() => this.drain());
  }

  /** Handles what is there now. */
  drain(): void {
    for (let bytes = this.#ring.drain(this.#slab); bytes > 0; bytes = this.#ring.drain(this.#slab)) {
      for (let at = 0; at < bytes; at += EventHead.size) {
        const pid = this.#view.getUint32(at + EventHead.pid, true);
        const isExec = this.#view.getUint16(at + EventHead.kind, true) === EventKind.PROCESS_EXEC;
        if (isExec) this.#guard.run('a program that starts', () => this.#handlers.exec(pid));
        else this.#guard.run('a process that ends', () => this.#handlers.exit(pid));
      }
    }
  }

  /** Events that found the ring full; the re-scan of /proc makes up for them. */
  lost(): number {
    const slots = this.#object.map('process_counters').lookup(new Uint8Array(4));
    return slots ? sumOfCpus(slots) : 0;
  }

  async close(): Promise<void> {
    await Promise.all(this.#links.map((link) => link.close()));
    this.#ring.close();
    await this.#object.close();
  }
}
