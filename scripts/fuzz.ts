/**
 * Feeds damaged ELF files and SQL of every dialect to their readers until the time is up: `npm run fuzz -- --seconds 60 --seed 1`.
 * `--only files` or `--only sql` leaves the other out. Exit code 1 prints seed and input.
 */
import { parseArgs } from 'node:util';
import { buildCorpus } from '../test/fuzz/corpus.ts';
import { exercise } from '../test/fuzz/exercise.ts';
import { type Mutant, overlappingLoads, randomMutant, sweepHeaders, truncations } from '../test/fuzz/mutate.ts';
import { randomFrom } from '../test/fuzz/random.ts';
import { checkSql, dialects, randomSql } from '../test/fuzz/sql-secrets.ts';
import { randomSqlite, SqliteLiterals } from '../test/fuzz/sqlite-literals.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    only: { type: 'string' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
  },
});
const seed = Number(values.seed);
const seconds = Number(values.seconds);
if (!Number.isInteger(seed) || !(seconds > 0))
  throw new RangeError(`--seed ${values.seed} --seconds ${values.seconds}`);

/** A longer time for one file of at most 2 MB counts as a hang. */
const maxMs = 10_000;
const maxRssBytes = 1024 ** 3;

if (values.only !== undefined && values.only !== 'files' && values.only !== 'sql') {
  throw new RangeError(`--only ${values.only}: files or sql`);
}
const end = Date.now() + seconds * 1000;
const sqlEnd = values.only === 'files' ? 0 : values.only === 'sql' ? end : end - seconds * 500;

const sqlRandom = randomFrom(seed);
const sqlite = new SqliteLiterals();
let statements = 0;
let taken = 0;
try {
  for (; Date.now() < sqlEnd; statements++) {
    const dialect = sqlRandom.pick(dialects);
    checkSql(randomSql(sqlRandom, dialect), dialect, sqlRandom);
    if (sqlite.check(randomSqlite(sqlRandom, statements))) taken++;
  }
} catch (error) {
  console.error(`failed with --only sql --seed ${seed} after ${statements} statements`);
  throw error;
}
console.log(`${statements} statements of each kind with --seed ${seed}, of which SQLite took ${taken}`);

const random = randomFrom(seed);
const corpus = buildCorpus();
const outcomes = new Map<string, number>();
let slowest = { ms: 0, what: '' };

function* mutants(): Generator<Mutant & { name: string }> {
  for (const file of corpus) {
    for (const mutant of truncations(file)) yield { ...mutant, name: file.name };
    yield { ...overlappingLoads(file), name: file.name };
  }
  const sweeps = corpus.filter((file) => file.name.startsWith('c'));
  for (const file of sweeps) for (const mutant of sweepHeaders(file)) yield { ...mutant, name: file.name };
  for (;;) {
    const file = random.pick(corpus);
    yield { ...randomMutant(file, random), name: file.name };
  }
}

let count = 0;
for (const { name, what, bytes } of mutants()) {
  if (Date.now() >= end) break;
  const start = performance.now();
  let outcome: string;
  try {
    outcome = exercise(bytes);
  } catch (error) {
    console.error(`failed with --seed ${seed} after ${count} files: ${name}: ${what}`);
    throw error;
  }
  const ms = performance.now() - start;
  count++;
  outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  if (ms > slowest.ms) slowest = { ms, what: `${name}: ${what}` };
  const rssBytes = process.memoryUsage.rss();
  if (ms > maxMs || rssBytes > maxRssBytes) {
    throw new Error(
      `--seed ${seed} after ${count} files: ${ms.toFixed(0)} ms, ${rssBytes} bytes resident: ${name}: ${what}`,
    );
  }
}
console.log(`${count} files with --seed ${seed}:`, Object.fromEntries(outcomes));
console.log(`slowest ${slowest.ms.toFixed(1)} ms: ${slowest.what}`);
