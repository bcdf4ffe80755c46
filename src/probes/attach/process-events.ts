import type { Guard } from '../../guard.ts';
import type { BpfMap, BpfObject, Link } from '../../native.ts';
import { EventKind, ProcessEvent } from '../layout.gen.ts';
import { sumOfCpus, u32 } from './map-values.ts';
import { openBpfObject } from './open-object.ts';

/** Times are in ns of CLOCK_MONOTONIC, as in records. */
export interface ProcessEventHandlers {
  /** Called for every exec and every exit, in their order, as soon as they are read. It must only take notes. */
  note(pid: number, atNs: number, what: 'exec' | 'exit'): void;
  /** It has started a program, and still runs it as far as events say. Those that other programs have followed are left out. */
  exec(pid: number, exec: Exec): void;
  /** It listens on a TCP port. */
  listen(pid: number, port: number): void;
  /** @param isFork it never started a program of its own */
  exit(pid: number, isFork: boolean): void;
  /** It was forked from one of followForks(). */
  fork(pid: number): void;
  /** It has started a program and ended since the last look. */
  passed(pid: number, exec: Exec): void;
}

export interface Exec {
  readonly atNs: number;
  /** Pid of its parent. */
  readonly parent: number;
  /** The path of the program, as the root of its mount namespace sees it. Undefined if it is too long. */
  readonly path: string | undefined;
}

export interface ProcessEventOptions {
  /** Whether listen() is wanted. It costs a look at every change of a TCP connection's state. */
  readonly listens: boolean;
  /**
   * For how long events are collected if they are not rare. Where programs come and go all the time, most have ended by then and cost
   * nothing.
   */
  readonly collectMs: number;
  /** Attacher.targets: what they fork becomes one of them. */
  readonly targets: BpfMap;
}

/** After this long without an event, one is handled at once, so that a server that starts does not wait. */
const quietMs = 100;

/** What happened, by kind of event. */
const whats: Readonly<Record<number, 'exec' | 'exit' | 'listen'>> = {
  [EventKind.PROCESS_EXEC]: 'exec',
  [EventKind.PROCESS_EXIT]: 'exit',
  [EventKind.FORK_EXIT]: 'exit',
  [EventKind.PROCESS_LISTEN]: 'listen',
};

/** The last of a process's events that are not handled yet. */
interface Unhandled {
  isForked: boolean;
  exec: Exec | undefined;
  ports: readonly number[];
  ended: 'as a fork' | 'as a program' | undefined;
}

/** Gets every exec, exit and, if wanted, listen() of a process on this host, as they happen or, on a busy host, a moment later. */
export class ProcessEvents {
  readonly #object: BpfObject;
  readonly #links: Link[];
  readonly #ring;
  readonly #slab = new Uint8Array(64 * 1024);
  readonly #view = new DataView(this.#slab.buffer);
  readonly #handlers: ProcessEventHandlers;
  readonly #guard: Guard;
  readonly #collectMs: number;
  /** By pid, in the order of the last event of each. */
  readonly #unhandled = new Map<number, Unhandled>();
  #handledAtMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #lostSeen = 0;
  #stopped = false;
  #closed = false;

  /** @throws UspanError-coded if the kernel refuses */
  constructor(handlers: ProcessEventHandlers, guard: Guard, { listens, collectMs, targets }: ProcessEventOptions) {
    this.#handlers = handlers;
    this.#collectMs = collectMs;
    this.#guard = guard;
    this.#object = openBpfObject('process', { sharedMaps: { targets }, uprobeMulti: false });
    this.#links = [
      this.#object.attachRawTracepoint('process_exec', 'sched_process_exec'),
      this.#object.attachRawTracepoint('process_exit', 'sched_process_exit'),
      this.#object.attachRawTracepoint('process_fork', 'sched_process_fork'),
    ];
    if (listens) this.#links.push(this.#object.attachRawTracepoint('process_listen', 'inet_sock_set_state'));
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

  /** From now on, tells what this process forks, or no longer does. @throws UspanError-coded E_BPF_MAP */
  followForks(pid: number, isFollowed: boolean): void {
    if (this.#closed) return;
    const parents = this.#object.map('fork_parents');
    if (isFollowed) parents.update(u32(pid), u32(1));
    else parents.delete(u32(pid));
  }

  /** Whether no event was lost since the last call. */
  knowsAll(): boolean {
    const before = this.#lostSeen;
    this.#lostSeen = this.lost();
    return this.#lostSeen === before;
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
    this.#timer = setTimeout(() => this.#guard.run('process events', () => this.#handle()), this.#collectMs);
  }

  #note(bytes: number): void {
    for (let at = 0; at < bytes; at += (this.#view.getUint32(at + ProcessEvent.headLen, true) + 7) & ~7) {
      const pid = this.#view.getUint32(at + ProcessEvent.headPid, true);
      const atNs = Number(this.#view.getBigUint64(at + ProcessEvent.headKtimeNs, true));
      const kind = this.#view.getUint16(at + ProcessEvent.headKind, true);
      if (kind === EventKind.PROCESS_FORK) {
        this.#unhandled.delete(pid);
        this.#unhandled.set(pid, { isForked: true, exec: undefined, ports: [], ended: undefined });
      }
      const what = whats[kind];
      if (!what) continue;
      if (what !== 'listen') {
        this.#guard.run('a note of a process event', () => this.#handlers.note(pid, atNs, what));
      }
      const before = this.#unhandled.get(pid);
      const ports = before?.ports ?? [];
      this.#unhandled.delete(pid);
      this.#unhandled.set(pid, {
        isForked: what === 'listen' && before?.isForked === true,
        exec: what === 'exec' ? this.#exec(at, atNs) : before?.exec,
        ports: what === 'listen' ? [...ports, this.#view.getUint16(at + ProcessEvent.port, true)] : ports,
        ended: what !== 'exit' ? undefined : kind === EventKind.FORK_EXIT ? 'as a fork' : 'as a program',
      });
    }
  }

  #exec(at: number, atNs: number): Exec {
    const bytes = this.#view.getUint16(at + ProcessEvent.pathBytes, true);
    const from = at + ProcessEvent.path;
    const names = bytes > 0 && Buffer.from(this.#slab.buffer, from, bytes - 1).toString('utf8');
    return {
      atNs,
      parent: this.#view.getUint32(at + ProcessEvent.parent, true),
      path: names ? `/${names.split('\0').reverse().join('/')}` : undefined,
    };
  }

  #handle(): void {
    this.#handledAtMs = performance.now();
    this.read();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const [pid, { isForked, exec, ports, ended }] of this.#unhandled) {
      this.#unhandled.delete(pid);
      if (isForked) this.#guard.run('a process that is forked', () => this.#handlers.fork(pid));
      if (ended) {
        this.#guard.run('a process that ends', () => {
          if (exec && ended === 'as a program') this.#handlers.passed(pid, exec);
          else this.#handlers.exit(pid, ended === 'as a fork');
        });
        continue;
      }
      if (exec) this.#guard.run('a program that starts', () => this.#handlers.exec(pid, exec));
      for (const port of ports) this.#guard.run('a process that listens', () => this.#handlers.listen(pid, port));
    }
  }
}
