import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { startPostgres } from './postgres.ts';
import { openSession } from './postgres-wire.ts';

test('a PostgreSQL server of its own: answers, says when a statement fails, and leaves nothing', async () => {
  const server = await startPostgres({ statement_timeout: '7s' });
  try {
    expect(await server.psql('select 6 * 7', 'show statement_timeout')).toBe('42\n7s');
    expect(await server.psql('show server_version')).toMatch(new RegExp(`^${server.majorVersion}\\.`));
    await expect(server.psql('select 1 / 0')).rejects.toThrow('division by zero');
    // A session that stays open must not hold up the end.
    await openSession(server, { application: 'idle' });
    await server.stop();
  } finally {
    await server.stop();
  }
  expect(existsSync(server.socketDirectory)).toBe(false);
  expect(() => process.kill(server.pid, 0)).toThrow('ESRCH');
});
