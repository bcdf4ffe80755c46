/** A record of `enum uspan_node_sqlite_field` as a span. */
import { SpanKind } from '../../../contract/span.ts';
import type { SpanTable } from '../../../semconv/span-table.ts';
import { sqlPrepare, sqlStatement, sqlSystems, writeSqlError } from '../../../semconv/sql-span.ts';
import { NodeSqliteField as Field, SqlOperation } from '../../layout.gen.ts';

export const nodeSqliteSpan: SpanTable = {
  kind: SpanKind.client,
  written: 'client',
  name(record, out) {
    const prepared = record.number(Field.OPERATION) === SqlOperation.OP_PREPARE;
    (prepared ? sqlPrepare : sqlStatement)(record, Field.STATEMENT, sqlSystems.sqlite, out);
  },
  fields: { [Field.STATEMENT]: ['db.query.text'] },
  end(record, out) {
    const code = record.number(Field.RESULT_CODE);
    if (code !== 0) writeSqlError(String(code), '', out);
  },
};
