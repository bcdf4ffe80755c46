import { join } from 'node:path';
import { type PostgresServer, startPostgres } from '../../test/support/postgres.ts';
import { startProcess } from '../../test/support/process.ts';

/** What an order needs: a database with goods, and a service to call, which answers at once. */
export interface Surroundings {
  readonly postgres: PostgresServer;
  /** UPSTREAM, and PGHOST and the like. */
  readonly env: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

export async function startSurroundings(): Promise<Surroundings> {
  const postgres = await startPostgres();
  try {
    await postgres.psql(
      "CREATE TABLE goods AS SELECT id, 'tea ' || id AS name, id * 100 AS price FROM generate_series(1, 100) AS id",
      'ALTER TABLE goods ADD PRIMARY KEY (id)',
      'VACUUM ANALYZE goods',
    );
    const main = join(import.meta.dirname, '..', '..', 'test', 'fixtures', 'node-http', 'main.mjs');
    const upstream = await startProcess(process.execPath, [main]);
    const [, address] = await upstream.waitForLine(/^listening http (\S+)$/);
    return {
      postgres,
      env: { ...postgres.env, UPSTREAM: `http://${address}` },
      stop: async () => {
        await upstream.stop();
        await postgres.stop();
      },
    };
  } catch (error) {
    await postgres.stop();
    throw error;
  }
}
