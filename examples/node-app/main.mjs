/** The pricing service of the example shop. It has no tracing of its own. It shows what uspan does. */
import { isIP } from 'node:net';
import { parseArgs } from 'node:util';
import fastify from 'fastify';
import { openDatabase } from './database.mjs';
import { inventoryAt } from './inventory.mjs';
import { routes } from './routes.mjs';
import { untilStopped } from './stop.mjs';

const { values } = parseArgs({
  options: {
    addr: { type: 'string', default: '127.0.0.1:0' },
    inventory: { type: 'string' },
    db: { type: 'string', default: ':memory:' },
    lifeline: { type: 'boolean', default: false },
  },
});
const { host, port } = loopback(values.addr);
if (!values.inventory) throw new Error('--inventory: the base URL of the inventory is needed');

const stopped = untilStopped(values.lifeline);
const database = await openDatabase(values.db);
const app = fastify({ logger: { level: 'error' }, bodyLimit: 64 * 1024 });
await app.register(routes, { database, inventory: inventoryAt(values.inventory) });
await app.listen({ host, port });
console.log(`database ${database.kind}`);
console.log(`listening ${host}:${app.server.address().port}`);

await stopped;
await app.close();
await database.close();

/** This is an example, not a server for a network. */
function loopback(addr) {
  const [, host, port] = /^(.*):(\d+)$/.exec(addr) ?? [];
  if (isIP(host) !== 4 || !host.startsWith('127.')) throw new Error(`--addr: ${addr} is no loopback address`);
  return { host, port: Number(port) };
}
