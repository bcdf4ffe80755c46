import type { BpfMap } from '../../native.ts';
import { Constant } from '../layout.gen.ts';
import type { AttachDecision } from './attachment.ts';
import { u32 } from './map-values.ts';
import { Numbers } from './numbers.ts';

interface Row {
  readonly index: number;
  /** Attachments that use it, by their id. */
  readonly users: Set<number>;
}

/** The rows of the map go_binaries: the facts of a Go binary, written once for all definitions that are attached to it. */
export class GoBinaries {
  /** By binary. A file that was overwritten in place has other facts with the same key, hence the second half. */
  readonly #rows = new Map<string, Row>();
  readonly #indices = new Numbers(Constant.GO_BINARIES, 'Go programs can be traced at a time');

  /**
   * The row for a decision, or 0 if it needs none. The attachment keeps it until give().
   * @throws UspanError E_ATTACH if all are taken
   */
  take(
    { binary, goBinary }: Pick<AttachDecision, 'binary' | 'goBinary'>,
    probeId: number,
    object: { map(name: string): Pick<BpfMap, 'update'> },
  ): number {
    if (!goBinary) return 0;
    const key = `${binary.key} ${Buffer.from(goBinary).toString('latin1')}`;
    let row = this.#rows.get(key);
    if (!row) {
      row = { index: this.#indices.take(binary.path), users: new Set([probeId]) };
      this.#rows.set(key, row);
      object.map('go_binaries').update(u32(row.index), goBinary);
    }
    row.users.add(probeId);
    return row.index;
  }

  /** An attachment is gone, or was never made. */
  give(probeId: number): void {
    for (const [key, row] of this.#rows) {
      if (!row.users.delete(probeId) || row.users.size > 0) continue;
      this.#rows.delete(key);
      this.#indices.give(row.index);
    }
  }
}
