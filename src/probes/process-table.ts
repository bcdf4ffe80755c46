import type { Resource } from '../contract/span.ts';

/** Stands for every process that runs a traced file although no rule selects it. Its records are left out. */
export const otherProcess: Resource = { attributes: {} };

/** Stands for what ran in a pid while nobody can say which program it was. Its records are counted as lost. */
export const unknownProgram: Resource = { attributes: {} };

/** Where resources come from. Times are nanoseconds of CLOCK_MONOTONIC, as in records. */
export interface ProgramSource {
  /** For the program that the pid has run since `sinceNs`. Undefined if the process is gone. */
  running(pid: number, sinceNs: number): Resource | undefined;
  /** For one that another program has followed, or whose process has ended. Undefined if nothing is known of it. */
  ended(pid: number, probeId: number, sinceNs: number, untilNs: number): Resource | undefined;
  /** Calls exec() and exit() for all that has happened by now. */
  catchUp(): void;
  nowNs(): number;
}

/** What a pid runs from an exec, or from the start of its process, to the next exec or the end of the process. */
interface Program {
  readonly sinceNs: number;
  untilNs: number;
  resource: Resource | undefined;
  /** The one before it in the same pid, while it may have records that nobody has read. */
  before: Program | undefined;
}

/** After this long, no record of a program that has ended is still in the ring. */
const lingerNs = 2e9;

/**
 * The resource of each program whose spans have been seen. A pid can belong to several programs, one after the other: a process can run
 * another one, and the kernel gives the pid of an ended process to a new one. The time of a record tells whose it is. A program gets its
 * resource with its first span, because most never have a span, and making it reads several files of /proc.
 */
export class ProcessTable {
  readonly #source: ProgramSource;
  /** The latest of each pid. */
  readonly #programs = new Map<number, Program>();
  /** Changes by time. Those of pids that nobody asks for go again. */
  #changes: { readonly pid: number; readonly atNs: number }[] = [];
  #lastPid = -1;
  #lastSinceNs = 0;
  #lastUntilNs = 0;
  #lastResource: Resource | undefined;

  constructor(source: ProgramSource) {
    this.#source = source;
  }

  /**
   * The resource of a record that began and ended at these times. `otherProcess` for a process that is not selected, `unknownProgram` if the
   * record does not lie in the time of one program, undefined for a process of which nothing is known. Spans of one process come in runs.
   */
  resourceOf(pid: number, probeId: number, startNs: number, endNs: number): Resource | undefined {
    if (pid === this.#lastPid && startNs >= this.#lastSinceNs && endNs <= this.#lastUntilNs) return this.#lastResource;
    const program = this.#programAt(pid, startNs);
    if (endNs > program.untilNs) return unknownProgram;
    program.resource ??= this.#identify(pid, probeId, program);
    this.#lastPid = pid;
    this.#lastSinceNs = program.sinceNs;
    this.#lastUntilNs = program.untilNs;
    this.#lastResource = program.resource;
    return program.resource;
  }

  /** Gives the program that a pid runs now its resource, because it may end, or run another program, before its first span is read. */
  learn(pid: number): void {
    this.#source.catchUp();
    const program = this.#programs.get(pid) ?? this.#add(pid, Number.NEGATIVE_INFINITY, undefined);
    if (program.untilNs === Number.POSITIVE_INFINITY) program.resource ??= this.#identify(pid, -1, program);
  }

  /** A rule selects the process from now on, which may not have been so before. */
  selected(pid: number): void {
    const program = this.#programs.get(pid);
    if (program?.resource !== otherProcess) return;
    program.resource = undefined;
    if (pid === this.#lastPid) this.#lastPid = -1;
  }

  /** When the pid got the program that it runs, as far as that is known and was not long ago. */
  sinceNs(pid: number): number {
    return this.#programs.get(pid)?.sinceNs ?? Number.NEGATIVE_INFINITY;
  }

  /** The process runs another program since `atNs`. */
  exec(pid: number, atNs: number): void {
    const before = this.#programs.get(pid);
    if (before) before.untilNs = Math.min(before.untilNs, atNs);
    this.#add(pid, atNs, before);
    this.#changed(pid, atNs);
  }

  /** The process has ended, at `atNs` if nobody has said so before. */
  exit(pid: number, atNs: number): void {
    const program = this.#programs.get(pid) ?? this.#add(pid, Number.NEGATIVE_INFINITY, undefined);
    program.untilNs = Math.min(program.untilNs, atNs);
    this.#changed(pid, atNs);
  }

  /** It runs another program, and since when is not known: some time between the two. */
  replaced(pid: number, fromNs: number, untilNs: number): void {
    this.exec(pid, fromNs);
    this.#programs.get(pid)!.resource = unknownProgram;
    this.exec(pid, untilNs);
  }

  /** Forgets programs that ended long ago. */
  expire(): void {
    const limitNs = this.#source.nowNs() - lingerNs;
    const kept = this.#changes.findIndex(({ atNs }) => atNs > limitNs);
    const due = kept < 0 ? this.#changes.splice(0) : this.#changes.splice(0, kept);
    for (const { pid } of due) {
      const program = this.#programs.get(pid);
      if (!program || (program.sinceNs > limitNs && program.untilNs > limitNs)) continue;
      if (program.untilNs <= limitNs || !program.resource) this.#programs.delete(pid);
      program.before = undefined;
      if (pid === this.#lastPid) this.#lastPid = -1;
    }
  }

  #programAt(pid: number, startNs: number): Program {
    let after: Program | undefined;
    let program = this.#programs.get(pid);
    while (program && startNs < program.sinceNs) {
      after = program;
      program = program.before;
    }
    if (program && startNs < program.untilNs) return program;
    // A process that was forked, and has run no other program since.
    const forked = newProgram(program?.untilNs ?? Number.NEGATIVE_INFINITY, program);
    if (after) {
      forked.untilNs = after.sinceNs;
      after.before = forked;
    } else {
      this.#programs.set(pid, forked);
      this.#lastPid = -1;
    }
    return forked;
  }

  #identify(pid: number, probeId: number, program: Program): Resource | undefined {
    const source = this.#source;
    if (program.untilNs === Number.POSITIVE_INFINITY) {
      const resource = source.running(pid, program.sinceNs);
      // While its files were read, the pid may have become another program's.
      source.catchUp();
      if (program.untilNs === Number.POSITIVE_INFINITY) {
        if (resource) return resource;
        // It is gone, and no event has said so.
        this.exit(pid, source.nowNs());
      }
    }
    return source.ended(pid, probeId, program.sinceNs, program.untilNs);
  }

  #add(pid: number, sinceNs: number, before: Program | undefined): Program {
    const program = newProgram(sinceNs, before);
    this.#programs.set(pid, program);
    return program;
  }

  #changed(pid: number, atNs: number): void {
    this.#changes.push({ pid, atNs });
    if (pid === this.#lastPid) this.#lastPid = -1;
  }
}

function newProgram(sinceNs: number, before: Program | undefined): Program {
  return { sinceNs, untilNs: Number.POSITIVE_INFINITY, resource: undefined, before };
}
