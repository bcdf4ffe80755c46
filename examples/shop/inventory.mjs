/**
 * Takes the place of the Go inventory where that is not built: `GET /stock/ID` answers as it does. Prints `listening HOST:PORT`.
 * Ends on SIGTERM or when standard input does.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { untilStopped } from '../node-app/stop.mjs';

const products = 8;
const available = 100;

const server = createServer((request, response) => {
  const id = Number(/^\/stock\/(\d+)$/.exec(request.url)?.[1]);
  const known = id >= 1 && id <= products;
  response.writeHead(known ? 200 : 404, { 'content-type': 'application/json' });
  response.end(JSON.stringify(known ? { productId: id, available } : { error: 'no such product' }));
});
const stopped = untilStopped(true);
server.listen(0, '127.0.0.1');
await once(server, 'listening');
console.log(`listening 127.0.0.1:${server.address().port}`);
await stopped;
server.close();
server.closeAllConnections();
