/**
 * Records what Node.js's `pg` writes and reads on a connection, for replay.c: `node record.mjs`, with PGHOST and its like. A socket's pieces
 * are taken where Node hands them to libuv, as the probes see them.
 */
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Socket } from 'node:net';
import { join } from 'node:path';

const require = createRequire(new URL('../../../examples/node-app/package.json', import.meta.url));
const { Client } = require('pg');
const directory = join(import.meta.dirname, 'recordings');

/** Lines of a recording. `taken`: the socket whose events are recorded. */
let lines = [];
let taken;
const hex = (chunk) => Buffer.from(chunk).toString('hex');
const { connect, push, _writeGeneric, _destroy } = Socket.prototype;

Socket.prototype.connect = function (...args) {
  if (taken === undefined) taken = this;
  return connect.apply(this, args);
};
Socket.prototype.push = function (chunk, ...rest) {
  if (this === taken && chunk) lines.push(`R ${hex(chunk)}`);
  return push.call(this, chunk, ...rest);
};
Socket.prototype._writeGeneric = function (writev, data, encoding, callback) {
  if (this === taken && !this.connecting) {
    const pieces = writev
      ? data.map(({ chunk, encoding }) => Buffer.from(chunk, encoding))
      : [Buffer.from(data, encoding)];
    lines.push(`W ${pieces.map(hex).join(' ')}`);
  }
  return _writeGeneric.call(this, writev, data, encoding, callback);
};
Socket.prototype._destroy = function (...args) {
  if (this === taken) lines.push('C');
  return _destroy.apply(this, args);
};

class CopyIn {
  constructor(text, rows) {
    Object.assign(this, { text, rows, done: Promise.withResolvers() });
  }
  submit(connection) {
    connection.query(this.text);
  }
  handleCopyInResponse(connection) {
    for (const row of this.rows) connection.sendCopyFromChunk(Buffer.from(row));
    connection.endCopyFrom();
  }
  handleCommandComplete() {}
  handleError(error) {
    this.done.resolve(error.code);
  }
  handleReadyForQuery() {
    this.done.resolve(undefined);
  }
}

class CopyOut {
  constructor(text) {
    Object.assign(this, { text, done: Promise.withResolvers() });
  }
  submit(connection) {
    connection.query(this.text);
  }
  handleCopyData() {}
  handleCommandComplete() {}
  handleReadyForQuery() {
    this.done.resolve(undefined);
  }
}

const one = (client, ...args) => client.query(...args).catch(({ code }) => code);
const bad = (client, name) => one(client, `SELECT 1/0 AS ${name}`);

const scenarios = {
  async simple(client) {
    await one(client, 'SELECT 1 AS first');
    await bad(client, 'bad');
    await one(client, "SELECT g, repeat('x', g) AS many FROM generate_series(1, 60) g");
    await one(client, 'SELECT 1/(50-g) AS late_error FROM generate_series(1, 100) g');
    await one(client, '');
    await one(client, 'SELECT 1; SELECT 2 AS two; SELECT 1/0 AS third');
    await one(client, "DO $$ BEGIN RAISE NOTICE 'noticed'; END $$");
    await one(client, 'BEGIN');
    await bad(client, 'in_transaction');
    await one(client, 'ROLLBACK');
    await one(client, 'SELECT 1 AS last');
  },
  async extended(client) {
    const named = { name: 'by_id', text: 'SELECT $1::int / $2::int AS named' };
    await one(client, { text: 'SELECT $1::int AS unnamed', values: [1] });
    await one(client, { ...named, values: [1, 1] });
    await one(client, { ...named, values: [1, 0] });
    await one(client, { ...named, values: [1, 2] });
    await one(client, { text: 'SELECT broken AS parse_error', values: [1] });
    await one(client, {
      text: 'SELECT g, $1::text AS many FROM generate_series(1, 80) g',
      values: ['Z\0\0'.replaceAll('\0', 'z')],
    });
    await one(client, { text: 'SELECT g AS paged FROM generate_series(1, 30) g WHERE g > $1', values: [0], rows: 7 });
    await one(client, {
      text: 'SELECT 1/(20-g) AS late_error FROM generate_series(1, 100) g WHERE g > $1',
      values: [0],
    });
    await one(client, { text: 'SELECT $1::int AS last', values: [1] });
  },
  async pipelined(client) {
    const mixed = (i) =>
      i % 3 === 0
        ? one(client, i % 2 === 0 ? `SELECT ${i} AS simple_${i}` : `SELECT 1/0 AS bad_${i}`)
        : one(client, { name: `named_${i % 4}`, text: `SELECT 10 / $1::int AS named_${i % 4}`, values: [i % 7] });
    await Promise.all(Array.from({ length: 40 }, (_, i) => mixed(i)));
    await bad(client, 'alone');
    await one(client, 'SELECT 1 AS last');
  },
  async copy(client) {
    await one(client, 'CREATE TEMP TABLE copied (a int, b text)');
    const rows = Array.from({ length: 40 }, (_, i) => `${i}\tZ\x05IQ${'x'.repeat(i)}\n`);
    const ran = (copy) => {
      client.query(copy);
      return copy.done.promise;
    };
    await ran(new CopyIn('COPY copied FROM STDIN', rows));
    await bad(client, 'after_copy_in');
    await one(client, 'SELECT 1 AS between');
    await ran(new CopyOut('COPY copied TO STDOUT'));
    await bad(client, 'after_copy_out');
    await ran(new CopyIn('COPY copied FROM STDIN', ['bad line\n']));
    await bad(client, 'after_bad_copy');
    await one(client, 'SELECT 1 AS last');
  },
  async listen(client, other) {
    await one(client, 'LISTEN heard');
    for (let i = 0; i < 3; i++) {
      const notified = new Promise((resolve) => client.once('notification', resolve));
      const query = one(client, `SELECT g AS rows_${i} FROM generate_series(1, 50) g`);
      await other.query(`NOTIFY heard, 'Z payload ${i}'`);
      await Promise.all([query, notified]);
      await bad(client, `bad_${i}`);
      await one(client, `SELECT 1 AS after_${i}`);
    }
    const own = new Promise((resolve) => client.once('notification', resolve));
    await one(client, "SELECT pg_notify('heard', 'own')");
    await own;
    await one(client, 'SELECT 1 AS last');
  },
};

for (const [name, run] of Object.entries(scenarios)) {
  lines = ['O'];
  taken = undefined;
  const client = new Client({ ssl: false, pipeline: name === 'pipelined' });
  client.on('error', () => {});
  await client.connect();
  const other = new Client({ ssl: false });
  await other.connect();
  await run(client, other);
  await client.end();
  await other.end();
  writeFileSync(join(directory, `pg-${name}.txt`), `${lines.join('\n')}\n`);
}
