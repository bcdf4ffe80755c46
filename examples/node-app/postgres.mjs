import pg from 'pg';
import { traceComment } from './trace-headers.mjs';

export function openPostgres() {
  const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 8 });
  pool.on('error', (error) => console.error('an idle connection broke:', error.message));
  return {
    kind: 'postgresql',
    query: async (text, values, trace = {}) => (await pool.query(text + traceComment(trace), values)).rows,
    close: () => pool.end(),
  };
}
