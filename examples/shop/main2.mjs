/**
 * Runs the whole example shop on free loopback ports: front and inventory (go-app), pricing (node-app) and, where PostgreSQL is
 * installed, a throw-away database for the prices. `make demo` traces it; it knows nothing of that.
 *
 *   node examples/shop/main.mjs [--load 20/s] [--no-postgres]
 *
 * Prints a line `NAME PID [URL]` for each part, then `ready`. Ends, with all parts, on SIGTERM or SIGINT or when standard input does.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { untilStopped } from '../node-app/stop.mjs';
import { startPart } from './part.mjs';
import { startPostgres } from './postgres.mjs';

const goApp = join(import.meta.dirname, '..', '..', 'build', 'examples', 'go-app');
const nodeApp = join(import.meta.dirname, '..', 'node-app', 'main.mjs');

const { values } = parseArgs({ options: { load: { type: 'string' }, 'no-postgres': { type: 'boolean' } } });
const stopped = untilStopped(!process.stdin.isTTY);
/** In the order of their start. */
const parts = [];
let ended;

try {
  await Promise.race([open(), stopped]);
  ended = await Promise.race([stopped, ...parts.map((part) => part.exited)]);
} finally {
  for (const part of parts.reverse()) {
    const t = Date.now();
    await part.stop();
    console.log('stopped', part.pid, Date.now() - t);
  }
}
if (ended?.failure) throw new Error(ended.failure);

async function open() {
  const database = values['no-postgres'] ? undefined : await startPostgres();
  if (database) add('postgres', database);
  const inventory = await service('inventory', goApp, ['-role', 'inventory', '-lifeline']);
  const pricing = await service(
    'pricing',
    process.execPath,
    [nodeApp, '--inventory', inventory.url, '--lifeline'],
    database?.env,
  );
  const load = values.load ? ['-load', values.load] : [];
  await service('front', goApp, ['-inventory', inventory.url, '-pricing', pricing.url, '-lifeline', ...load]);
  console.log('ready');
}

async function service(name, command, args, env = {}) {
  const part = await startPart(command, args, { OTEL_SERVICE_NAME: name, ...env });
  part.url = `http://${await part.announced(/^listening (\S+)$/m)}`;
  return add(name, part);
}

function add(name, part) {
  parts.push(part);
  console.log([name, part.pid, part.url].filter(Boolean).join(' '));
  return part;
}
