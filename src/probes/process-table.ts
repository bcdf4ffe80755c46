import type { Resource } from '../contract/span.ts';

/** Stands for every process that runs a traced file although no rule selects it: its records are left out. */
export const otherProcess: Resource = { attributes: {} };

/**
 * The resource of each process whose spans have been seen. A process gets one with its first span, because most processes never have any
 * and it takes several files of /proc. The life cycle of processes ends an entry when its number gets another program.
 */
export class ProcessTable {
  readonly #identify: (pid: number, probeId: number) => Resource | undefined;
  readonly #resources = new Map<number, Resource>();
  #lastPid = -1;
  #lastResource: Resource | undefined;

  /** @param identify asked once for each process, and again where it knows nothing */
  constructor(identify: (pid: number, probeId: number) => Resource | undefined) {
    this.#identify = identify;
  }

  /** `otherProcess` for one that is not selected, undefined for one of which nothing is known. Spans of one process come in runs. */
  resourceOf(pid: number, probeId: number): Resource | undefined {
    if (pid === this.#lastPid) return this.#lastResource;
    let resource = this.#resources.get(pid);
    if (!resource) {
      resource = this.#identify(pid, probeId);
      if (resource) this.#resources.set(pid, resource);
    }
    this.#lastPid = pid;
    this.#lastResource = resource;
    return resource;
  }

  /** Whether spans of it have been seen. */
  has(pid: number): boolean {
    return this.#resources.has(pid);
  }

  /** The number belongs to another program from now on, or to none. */
  forget(pid: number): void {
    this.#resources.delete(pid);
    if (pid === this.#lastPid) this.#lastPid = -1;
  }
}
