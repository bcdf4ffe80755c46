import type { Served } from '../discovery/processes/served.ts';

/** A server's definition that is attached to a file, as far as it matters here. */
export interface AttachedServer {
  readonly decision: {
    readonly definition: { readonly name: string; readonly servesTcp?: true };
    readonly sites: readonly { readonly moment: number }[];
  };
  hits(moment: number): number;
}

export interface AttachedFile {
  readonly path: string;
  readonly pids: ReadonlySet<number>;
  readonly attachments: readonly AttachedServer[];
}

export interface NeverHitOptions {
  readonly served: (pid: number) => Served | undefined;
  readonly warn: (found: { process: number; exe: string; definition: string; port: number }) => void;
}

/** What less is read between two looks may be keep-alive messages of something else. */
const minReadBytes = 256;
/** Looks in a row that show a server at work. */
const looksNeeded = 2;
/** Processes of a file that are looked at. */
const maxProcesses = 4;

interface Seen {
  readonly pid: number;
  readonly readBytes: number;
  readonly looks: number;
}

/**
 * Finds programs that serve clients while no probe of their server is hit: their probes may lie where no code runs, or they serve with
 * another library. The user would otherwise see nothing at all.
 */
export class NeverHit {
  readonly #options: NeverHitOptions;
  readonly #seen = new WeakMap<AttachedServer, Seen>();
  readonly #done = new WeakSet<AttachedServer>();

  constructor(options: NeverHitOptions) {
    this.#options = options;
  }

  /** To be called every now and then. It warns once for each attachment. */
  look(files: readonly AttachedFile[]): void {
    for (const { path, pids, attachments } of files) {
      for (const attachment of attachments) this.#lookAt(path, pids, attachment);
    }
  }

  #lookAt(exe: string, pids: ReadonlySet<number>, attachment: AttachedServer): void {
    if (this.#done.has(attachment)) return;
    const { definition, sites } = attachment.decision;
    if (!definition.servesTcp) return;
    if (sites.some(({ moment }) => attachment.hits(moment) > 0)) {
      this.#done.add(attachment);
      return;
    }
    const before = this.#seen.get(attachment);
    const candidates = before && pids.has(before.pid) ? [before.pid] : [...pids].slice(0, maxProcesses);
    for (const pid of candidates) {
      const now = this.#options.served(pid);
      if (!now) continue;
      const isBusy = before?.pid === pid && now.readBytes - before.readBytes >= minReadBytes;
      const looks = isBusy ? before.looks + 1 : 0;
      this.#seen.set(attachment, { pid, readBytes: now.readBytes, looks });
      if (looks < looksNeeded) return;
      this.#done.add(attachment);
      this.#options.warn({ process: pid, exe, definition: definition.name, port: now.port });
      return;
    }
    this.#seen.delete(attachment);
  }
}
