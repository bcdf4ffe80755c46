import type { Link } from '../../native.ts';

/** The links of an attachment that has some for each process, and none for the file. */
export class ProcessLinks {
  readonly kind: Link['kind'];
  readonly #attach: (path: string, pid: number) => Link[];
  readonly #byPid = new Map<number, readonly Link[]>();
  #closed = false;

  constructor(kind: Link['kind'], attach: (path: string, pid: number) => Link[]) {
    this.kind = kind;
    this.#attach = attach;
  }

  /** `path` leads to the file. Does nothing for a process that has links. @throws UspanError-coded E_ATTACH, E_BPF_OPEN, E_BPF_LOAD */
  add(pid: number, path: string): void {
    if (!this.#closed && !this.#byPid.has(pid)) this.#byPid.set(pid, this.#attach(path, pid));
  }

  /** As Link.count, of all of them. */
  get count(): number {
    return [...this.#byPid.values()].flat().reduce((sum, { count }) => sum + count, 0);
  }

  has(pid: number): boolean {
    return this.#byPid.has(pid);
  }

  /** Resolves when the kernel has let go. What the process forked and has no links of its own loses the probes too. */
  async remove(pid: number): Promise<void> {
    const links = this.#byPid.get(pid) ?? [];
    this.#byPid.delete(pid);
    await Promise.all(links.map((link) => link.close()));
  }

  /** Takes no more processes. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#byPid.keys()].map((pid) => this.remove(pid)));
  }
}
