/** A record of `enum uspan_node_pg_field` as a span, by the stable database conventions. */
import { SpanKind } from '../../../contract/span.ts';
import { socketServer } from '../../../semconv/socket-peer.ts';
import { type SpanTable, text } from '../../../semconv/span-table.ts';
import { sqlStatement, sqlSystems, writeSqlError } from '../../../semconv/sql-span.ts';
import { NodePgField as Field, SpanFlag } from '../../layout.gen.ts';
import type { SpanRecord } from '../../span-record.ts';
import { nodeErrorType } from './errors.ts';

export const nodePgSpan: SpanTable = {
  kind: SpanKind.client,
  written: 'client',
  // There is no text if the statement was prepared before the probes were there.
  name: (record, out) => sqlStatement(record, Field.STATEMENT, sqlSystems.postgresql, out),
  fields: {
    [Field.STATEMENT]: ['db.query.text'],
    [Field.DATABASE]: text('db.namespace'),
    [Field.SOCKET]: ['network.peer.address', socketServer],
    [Field.SQLSTATE]: ['db.response.status_code'],
  },
  end(record, out) {
    const state = sqlState(record);
    if (state === '' && !(record.flags & SpanFlag.ABORTED)) return;
    writeSqlError(state, nodeErrorType(record.number(Field.ERROR)), out);
  },
};

/** Empty if there was no error. */
function sqlState(record: SpanRecord): string {
  const length = record.length(Field.SQLSTATE);
  if (length === 0) return '';
  const at = record.at(Field.SQLSTATE);
  return String.fromCharCode(...record.slab.bytes.subarray(at, at + length));
}
