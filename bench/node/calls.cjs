// Makes calls when a SIGUSR2 says so, and no server: `client` by node:http (UPSTREAM), `pg` prepared statements (PGHOST and so on), `sqlite`
// statements of node:sqlite. Prints `ready`, and after each round `called ROUND CALLS`.
const http = require('node:http');

const calls = 10_000;
const atATime = 8;
const callers = { client, pg, sqlite };
const call = callers[process.argv[2]]();

function client() {
  const agent = new http.Agent({ keepAlive: true, maxSockets: atATime });
  return () =>
    new Promise((resolve, reject) => {
      const request = http.get(process.env.UPSTREAM, { agent }, (response) => {
        response.resume().once('end', resolve).once('error', reject);
      });
      request.once('error', reject);
    });
}

function pg() {
  const pool = new (require('pg').Pool)({ max: atATime });
  return (n) => pool.query('SELECT id, name, price FROM goods WHERE id = $1', [1 + (n % 100)]);
}

function sqlite() {
  const database = new (require('node:sqlite').DatabaseSync)(':memory:');
  database.exec('CREATE TABLE goods (id INTEGER PRIMARY KEY, name TEXT)');
  database.exec("INSERT INTO goods VALUES (1, 'tea')");
  const statement = database.prepare('SELECT id, name FROM goods WHERE id = ?');
  return async () => statement.get(1);
}

let round = 0;
process.on('SIGUSR2', async () => {
  let made = 0;
  const caller = async () => {
    while (made < calls) await call(made++);
  };
  await Promise.all(Array.from({ length: atATime }, caller));
  console.log(`called ${++round} ${calls}`);
});
process.once('SIGTERM', () => process.exit(0));
setInterval(() => {}, 1 << 30);
console.log('ready');
