import { type AttachedSites, attachedKey } from './attached-sites.ts';

/** More files than a host runs. Each takes some kilobytes. */
const maxEnded = 1024;

/**
 * What the report says of attachments that ended: their sites and hits. One entry for each definition and file, no matter how often it
 * ended.
 */
export class EndedAttachments {
  readonly #byKey = new Map<string, AttachedSites>();

  add(ended: AttachedSites): void {
    const key = attachedKey(ended);
    const before = this.#byKey.get(key);
    const { definition, binary, sites } = ended.decision;
    const moments = new Set(sites.map(({ moment }) => moment));
    const hits = new Map([...moments].map((moment) => [moment, ended.hits(moment) + (before?.hits(moment) ?? 0)]));
    this.#byKey.delete(key);
    this.#byKey.set(key, {
      decision: { definition: { name: definition.name }, binary: { path: binary.path, key: binary.key }, sites },
      kind: ended.kind,
      hits: (moment) => hits.get(moment) ?? 0,
    });
    for (const oldest of this.#byKey.keys()) {
      if (this.#byKey.size <= maxEnded) break;
      this.#byKey.delete(oldest);
    }
  }

  all(): AttachedSites[] {
    return [...this.#byKey.values()];
  }
}
