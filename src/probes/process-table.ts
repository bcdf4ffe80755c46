import type { Resource } from '../contract/span.ts';

/** Stands for every process that runs a traced file although no rule selects it. Its records are left out. */
export const otherProcess: Resource = { attributes: {} };

/**
 * The resource of each process whose spans have been seen. A process gets one with its first span, because most processes never have a
 * span, and making it reads several files of /proc. The life cycle of processes ends an entry when its pid gets another program.
 */
export class ProcessTable {
  readonly #identify: (pid: number, probeId: number) => Resource | undefined;
  readonly #resources = new Map<number, Resource>();
  #lastPid = -1;
  #lastResource: Resource | undefined;

  /** @param identify called once for each process, and again if it knew nothing */
  constructor(identify: (pid: number, probeId: number) => Resource | undefined) {
    this.#identify = identify;
  }

  /** `otherProcess` for one that is not selected, undefined for one that is unknown. Spans of one process come in runs. */
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

  /** The pid belongs to another program from now on, or to none. */
  forget(pid: number): void {
    this.#resources.delete(pid);
    if (pid === this.#lastPid) this.#lastPid = -1;
  }
}
