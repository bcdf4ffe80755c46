import { SpanKind, type SpanWriter } from '../../../contract/span.ts';
import type { SpanTable } from '../../../semconv/span-table.ts';
import {
  type SqlSystem,
  sqlPrepare,
  sqlStatement,
  sqlSystems,
  writeSqlCommand,
  writeSqlError,
} from '../../../semconv/sql-span.ts';
import { SqlField as Field, SqlOperation, SqlSystem as System } from '../../layout.gen.ts';
import type { SpanRecord } from '../../span-record.ts';
import { goErrorStatus, goErrorType, hasGoError } from './errors.ts';

/** By `enum uspan_sql_system`. */
const systems: readonly (SqlSystem | undefined)[] = Object.assign([], {
  [System.OTHER]: sqlSystems.other,
  [System.POSTGRESQL]: sqlSystems.postgresql,
  [System.MYSQL]: sqlSystems.mysql,
  [System.SQLITE]: sqlSystems.sqlite,
});

/** By `enum uspan_sql_operation`. */
const commands: readonly (string | undefined)[] = Object.assign([], {
  [SqlOperation.OP_BEGIN]: 'BEGIN',
  [SqlOperation.OP_COMMIT]: 'COMMIT',
  [SqlOperation.OP_ROLLBACK]: 'ROLLBACK',
});

/** A record of `enum uspan_sql_field`, of Go's database/sql, as a span. */
export const goSqlSpan: SpanTable = {
  kind: SpanKind.client,
  written: 'client',
  prepare: (record) => (systems[record.number(Field.SYSTEM)] ? undefined : 'malformed'),
  name: writeOperation,
  fields: { [Field.STATEMENT]: ['db.query.text'] },
  end(record, out) {
    if (hasGoError(record)) writeSqlError(goErrorStatus(record), goErrorType(record), out);
  },
};

function writeOperation(record: SpanRecord, out: SpanWriter): void {
  const system = systems[record.number(Field.SYSTEM)]!;
  const operation = record.number(Field.OPERATION);
  const command = commands[operation];
  if (command !== undefined) writeSqlCommand(command, system, out);
  else if (operation === SqlOperation.OP_PREPARE) sqlPrepare(record, Field.STATEMENT, system, out);
  else sqlStatement(record, Field.STATEMENT, system, out);
}
