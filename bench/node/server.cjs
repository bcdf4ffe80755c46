// The benchmark's server, without tracing; the OpenTelemetry SDK is put into it by --require. `hello` answers at once; `order` is what a
// service does: fastify, a call of another service by fetch (UPSTREAM), and a query by pg (PGHOST and so on).
const http = require('node:http');

let handled = 0;
const servers = { hello, order };
const server = servers[process.argv[2]]();

function hello() {
  const listening = http.createServer((_, response) => {
    handled++;
    response.setHeader('Content-Type', 'application/json').end('{"hello":"world"}\n');
  });
  listening.listen(0, '127.0.0.1', () => announce(listening));
  return { close: () => listening.close() };
}

function order() {
  const { Pool } = require('pg');
  const app = require('fastify')();
  const pool = new Pool({ max: 16 });
  app.get('/order/:id', async ({ params }) => {
    handled++;
    const answer = await fetch(`${process.env.UPSTREAM}/items/${params.id}`);
    const item = await answer.text();
    const { rows } = await pool.query('SELECT id, name, price FROM goods WHERE id = $1', [params.id]);
    return { item, ...rows[0] };
  });
  app.listen({ port: 0, host: '127.0.0.1' }).then(() => announce(app.server));
  return { close: () => app.close().then(() => pool.end()) };
}

function announce(listening) {
  console.log(`listening 127.0.0.1:${listening.address().port}`);
}

process.once('SIGTERM', () => {
  console.log(`handled ${handled}`);
  server.close();
});
