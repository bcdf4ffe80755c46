/** Drivers of Go's database/sql that are known by their types, as `%T` prints them but with the whole package path. */
import { SqlStatusKind, SqlSystem } from '../../layout.gen.ts';

/** A type that a `*sql.DB` has as its connector, or that the driver behind a data source name is of. */
export interface DriverType {
  readonly type: string;
  /** `enum uspan_sql_system`. */
  readonly system: number;
}

export const driverTypes: readonly DriverType[] = [
  ...types(SqlSystem.POSTGRESQL, [
    '*github.com/lib/pq.Driver',
    'github.com/lib/pq.Driver',
    '*github.com/lib/pq.Connector',
    'github.com/jackc/pgx/v5/stdlib.connector',
    '*github.com/jackc/pgx/v5/stdlib.driverConnector',
    '*github.com/jackc/pgx/v5/stdlib.Driver',
    'github.com/jackc/pgx/v4/stdlib.connector',
    '*github.com/jackc/pgx/v4/stdlib.driverConnector',
    '*github.com/jackc/pgx/v4/stdlib.Driver',
  ]),
  ...types(SqlSystem.MYSQL, [
    '*github.com/go-sql-driver/mysql.connector',
    '*github.com/go-sql-driver/mysql.MySQLDriver',
    'github.com/go-sql-driver/mysql.MySQLDriver',
  ]),
  ...types(SqlSystem.SQLITE, [
    '*modernc.org/sqlite.Driver',
    '*github.com/mattn/go-sqlite3.SQLiteDriver',
    '*github.com/ncruces/go-sqlite3/driver.SQLite',
    '*github.com/ncruces/go-sqlite3/driver.connector',
  ]),
];

/** An error of a driver, and the field that has the database's own code. */
export interface DriverError {
  readonly type: string;
  readonly field: string;
  /** `enum uspan_sql_status_kind`. */
  readonly kind: number;
}

export const driverErrors: readonly DriverError[] = [
  { type: '*github.com/lib/pq.Error', field: 'Code', kind: SqlStatusKind.STRING },
  { type: '*github.com/jackc/pgx/v5/pgconn.PgError', field: 'Code', kind: SqlStatusKind.STRING },
  { type: '*github.com/jackc/pgconn.PgError', field: 'Code', kind: SqlStatusKind.STRING },
  { type: '*github.com/go-sql-driver/mysql.MySQLError', field: 'Number', kind: SqlStatusKind.U16 },
  { type: '*modernc.org/sqlite.Error', field: 'code', kind: SqlStatusKind.INT },
  { type: 'github.com/mattn/go-sqlite3.Error', field: 'ExtendedCode', kind: SqlStatusKind.INT },
];

function types(system: number, names: readonly string[]): DriverType[] {
  return names.map((type) => ({ type, system }));
}
