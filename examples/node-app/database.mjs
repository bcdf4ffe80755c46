import { openPostgres } from './postgres.mjs';
import { openSqlite } from './sqlite.mjs';

const schema = [
  'CREATE TABLE IF NOT EXISTS discounts (min_quantity integer PRIMARY KEY, percent integer NOT NULL)',
  `CREATE TABLE IF NOT EXISTS quotes (
    number bigint PRIMARY KEY, product_id integer NOT NULL, quantity integer NOT NULL, cents integer NOT NULL)`,
  'INSERT INTO discounts (min_quantity, percent) VALUES (1, 0), (10, 5), (25, 12) ON CONFLICT DO NOTHING',
];

/**
 * PostgreSQL if the environment names one (PGHOST, …, or DATABASE_URL), otherwise SQLite in this process. Both take
 * `query(text, values, trace)`, with $1, $2, … in their order in the text, and answer with the rows. A PostgreSQL server also gets the
 * trace headers of the request that a statement is run for.
 */
export async function openDatabase(sqliteFile) {
  const database = process.env.PGHOST || process.env.DATABASE_URL ? openPostgres() : openSqlite(sqliteFile);
  for (const statement of schema) await database.query(statement);
  return database;
}
