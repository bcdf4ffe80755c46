/** A record of `enum uspan_postgresql_field` as a span, by the stable database conventions. */
import { attributeKey } from '../../../contract/attribute-key.ts';
import { SpanKind } from '../../../contract/span.ts';
import { socketClient } from '../../../semconv/socket-peer.ts';
import { type SpanTable, text } from '../../../semconv/span-table.ts';
import { sqlStatement, sqlSystems, writeSqlError } from '../../../semconv/sql-span.ts';
import { Constant, PostgresqlField as Field, SpanHead } from '../../layout.gen.ts';

const backendPid = attributeKey('uspan.postgresql.backend_pid');

/**
 * The database's own work is a server span. Its other half, the caller's, is a client span. `tid` of the record is the backend's pid, as in
 * pg_stat_activity and the server's log.
 */
export const postgresqlSpan: SpanTable = {
  kind: SpanKind.server,
  written: 'server',
  name: (record, out) => sqlStatement(record, Field.STATEMENT, sqlSystems.postgresql, out),
  fields: {
    [Field.STATEMENT]: ['db.query.text'],
    [Field.DATABASE]: text('db.namespace'),
    [Field.USER]: text('user.name'),
    [Field.APPLICATION]: text('uspan.postgresql.application_name'),
    // A Unix socket has no address.
    [Field.PEER]: ['network.peer.address', socketClient],
  },
  end(record, out) {
    out.int(backendPid, record.slab.words[(record.start + SpanHead.headTid) >> 2]!);
    const state = record.number(Field.SQLSTATE);
    if (state !== 0) writeSqlError(sqlState(state), '_OTHER', out);
  },
};

/**
 * Five characters of six bits each, the first in the lowest bits (MAKE_SQLSTATE of src/include/utils/elog.h). Empty if it is unknown: no
 * error has 00000, "successful completion".
 */
function sqlState(packed: number): string {
  if (packed === Constant.POSTGRESQL_UNKNOWN_STATE) return '';
  let code = '';
  for (let shift = 0; shift < 30; shift += 6) code += String.fromCharCode(((packed >> shift) & 63) + 0x30);
  return code;
}
