import type { Site } from '../../contract/decision.ts';
import type { Link } from '../../native.ts';

/** A definition on a file, attached now or until the file's last process ended: what the report has of it. */
export interface AttachedSites {
  readonly decision: {
    readonly definition: { readonly name: string };
    readonly binary: { readonly path: string; readonly key: string };
    readonly sites: readonly Site[];
  };
  readonly kind: Link['kind'];
  /** How often the sites of a moment were hit. */
  hits(moment: number): number;
}

/** The same definition on the same file, no matter how often it was attached. */
export function attachedKey({ decision, kind }: AttachedSites): string {
  return [decision.definition.name, decision.binary.key, kind].join('\0');
}
