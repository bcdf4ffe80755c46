/**
 * Runs the whole example shop on free loopback ports: front and inventory (go-app), pricing (node-app) and, where PostgreSQL is
 * installed, a throw-away database for the prices. `make demo` traces it, and it knows nothing of that.
 *
 *   node examples/shop/main.mjs [--load 20/s] [--no-postgres] [--no-go] [--node PATH]
 *
 * Without its Go half, a small inventory in Node.js takes the place of inventory, and --load visits pricing.
 * Prints a line `NAME PID [URL]` for each part, then `ready`. Ends, with all parts, on SIGTERM or SIGINT or when standard input does.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { untilStopped } from '../node-app/stop.mjs';
import { startPart } from './part.mjs';
import { startPostgres } from './postgres.mjs';

const goApp = join(import.meta.dirname, '..', '..', 'build', 'examples', 'go-app');
const standIn = (name) => join(import.meta.dirname, name);
const nodeApp = join(import.meta.dirname, '..', 'node-app', 'main.mjs');

const { values } = parseArgs({
  options: {
    load: { type: 'string' },
    'no-postgres': { type: 'boolean' },
    'no-go': { type: 'boolean' },
    node: { type: 'string', default: process.execPath },
  },
});
const stopped = untilStopped(!process.stdin.isTTY);
/** In the order of their start. */
const parts = [];
const starting = new AbortController();

try {
  const opened = open(starting.signal);
  await Promise.race([opened, stopped]);
  starting.abort();
  await opened.catch((error) => {
    if (error.name !== 'AbortError') throw error;
  });
  const ended = await Promise.race([stopped, ...parts.map((part) => part.exited)]);
  if (ended?.failure) throw new Error(ended.failure);
} finally {
  for (const part of parts.reverse()) await part.stop();
}

/** Once aborted, starts nothing more and rejects. */
async function open(signal) {
  const database = values['no-postgres'] ? undefined : await startPostgres(signal);
  if (database) {
    parts.push(database);
    say('postgres', database);
  }
  signal.throwIfAborted();
  const inventory = values['no-go']
    ? await service('inventory', values.node, [standIn('inventory.mjs')])
    : await service('inventory', goApp, ['-role', 'inventory', '-lifeline']);
  signal.throwIfAborted();
  const pricing = await service(
    'pricing',
    values.node,
    [nodeApp, '--inventory', inventory.url, '--lifeline'],
    database?.env,
  );
  signal.throwIfAborted();
  if (!values['no-go']) {
    const load = values.load ? ['-load', values.load] : [];
    await service('front', goApp, ['-inventory', inventory.url, '-pricing', pricing.url, '-lifeline', ...load]);
  } else if (values.load) {
    const load = await startPart(values.node, [standIn('load.mjs'), pricing.url, values.load], {
      OTEL_SERVICE_NAME: 'load',
    });
    parts.push(load);
    say('load', load);
  }
  console.log('ready');
}

async function service(name, command, args, env = {}) {
  const part = await startPart(command, args, { OTEL_SERVICE_NAME: name, ...env });
  parts.push(part);
  part.url = `http://${await part.announced(/^listening (\S+)$/m)}`;
  return say(name, part);
}

function say(name, part) {
  console.log([name, part.pid, part.url].filter(Boolean).join(' '));
  return part;
}
