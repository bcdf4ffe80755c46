/** Drivers of Go's database/sql, known by their types as `%T` prints them, but with the whole package path. */
import { Constant, SqlSystem } from '../../layout.gen.ts';

/** The type of a `*sql.DB`'s connector, or of the driver behind a data source name. */
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
  // What sql.Open() makes for drivers without connectors of their own.
  ...types(SqlSystem.BY_DSN, ['database/sql.dsnConnector']),
];

if (driverTypes.length > Constant.SQL_DRIVER_TYPES) throw new RangeError('too many types of SQL drivers');

function types(system: number, names: readonly string[]): DriverType[] {
  return names.map((type) => ({ type, system }));
}
