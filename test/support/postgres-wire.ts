/**
 * PostgreSQL's protocol, message by message. A driver would itself decide what to prepare, and when to send Sync. Messages:
 * https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import type { PostgresServer } from './postgres.ts';

/** A message of the server. */
export interface Reply {
  /** `Z` ReadyForQuery, `C` CommandComplete, `D` DataRow, `E` ErrorResponse, … */
  readonly type: string;
  readonly body: Buffer;
}

export interface WireSession {
  /** Of the backend. */
  readonly pid: number;
  /** This end's TCP port, undefined over a Unix socket. */
  readonly port: number | undefined;
  /** Sends messages in one piece and waits for the ReadyForQuery of each Query and Sync. */
  send(...messages: readonly Buffer[]): Promise<Reply[]>;
  /** Sends without waiting. */
  push(...messages: readonly Buffer[]): void;
  /** Waits for a message of this type. */
  reply(type: string): Promise<Reply>;
  close(): Promise<void>;
}

const int16 = (value: number) => Buffer.from([value >> 8, value]);
const int32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};
const text = (value: string) => Buffer.from(`${value}\0`);
const message = (type: string, ...body: readonly Buffer[]) => {
  const bytes = Buffer.concat(body);
  return Buffer.concat([Buffer.from(type), int32(bytes.length + 4), bytes]);
};

/** Client messages. Statements and portals are unnamed by default. */
export const wire = {
  query: (sql: string) => message('Q', text(sql)),
  parse: (sql: string, name = '') => message('P', text(name), text(sql), int16(0)),
  bind: (parameters: readonly string[] = [], name = '') =>
    message(
      'B',
      text(''),
      text(name),
      int16(0),
      int16(parameters.length),
      ...parameters.flatMap((each) => [int32(Buffer.byteLength(each)), Buffer.from(each)]),
      int16(0),
    ),
  describe: (name = '') => message('D', Buffer.from('S'), text(name)),
  /** `maxRows` 0: all. */
  execute: (maxRows = 0) => message('E', text(''), int32(maxRows)),
  sync: () => message('S'),
  flush: () => message('H'),
  copyData: (data: string) => message('d', Buffer.from(data)),
  copyDone: () => message('c'),
  copyFail: (reason: string) => message('f', text(reason)),
} as const;

/** The SQLSTATEs of the errors among replies. */
export function sqlStates(replies: readonly Reply[]): string[] {
  return replies
    .filter(({ type }) => type === 'E')
    .map(({ body }) =>
      body
        .toString('latin1')
        .split('\0')
        .find((field) => field.startsWith('C'))!
        .slice(1),
    );
}

/** Opens a session. `database` and others are as in the startup message. */
export async function openSession(
  server: PostgresServer,
  options: { readonly application: string; readonly unix?: boolean; readonly database?: string },
): Promise<WireSession> {
  const socket = options.unix
    ? connect(`${server.socketDirectory}/.s.PGSQL.${server.port}`)
    : connect(server.port, server.host);
  await once(socket, 'connect');
  let unread = Buffer.alloc(0);
  const replies: Reply[] = [];
  let wake: () => void = () => {};
  let ended = false;
  socket.on('data', (data) => {
    unread = Buffer.concat([unread, data]);
    while (unread.length >= 5 && unread.length > unread.readInt32BE(1)) {
      const end = 1 + unread.readInt32BE(1);
      replies.push({ type: String.fromCharCode(unread[0]!), body: unread.subarray(5, end) });
      unread = unread.subarray(end);
    }
    wake();
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    ended = true;
    wake();
  });

  /** Takes replies up to the `count`th of a type, or all there are if the session ends. */
  const take = async (type: string, count: number): Promise<Reply[]> => {
    for (;;) {
      let seen = 0;
      const at = replies.findIndex((reply) => reply.type === type && ++seen === count);
      if (at >= 0) return replies.splice(0, at + 1);
      if (ended) return replies.splice(0);
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  const dueAfter = (messages: readonly Buffer[]) => messages.filter(([type]) => type === 0x51 || type === 0x53).length;

  const { application, database = server.database } = options;
  const startup = [
    int32(196_608),
    ...['user', server.user, 'database', database, 'application_name', application].map(text),
    Buffer.alloc(1),
  ];
  const body = Buffer.concat(startup);
  socket.write(Buffer.concat([int32(body.length + 4), body]));
  const [keyData] = (await take('Z', 1)).filter(({ type }) => type === 'K');
  if (!keyData) throw new Error('the server refused the session');
  return {
    pid: keyData.body.readInt32BE(0),
    port: socket.localPort,
    push: (...messages) => void socket.write(Buffer.concat(messages)),
    async send(...messages) {
      socket.write(Buffer.concat(messages));
      return take('Z', dueAfter(messages));
    },
    reply: async (type) => (await take(type, 1)).at(-1)!,
    async close() {
      if (ended) return;
      const closed = once(socket, 'close');
      socket.end(message('X'));
      await closed;
    },
  };
}

/** Resolves when a session is in pg_sleep(). */
export async function untilAsleep(server: PostgresServer, pid: number): Promise<void> {
  const asleep = `exists (select from pg_stat_activity where pid = ${pid} and wait_event = 'PgSleep')`;
  await server.psql(`do $$ begin while not ${asleep} loop perform pg_sleep(0.01); end loop; end $$`);
}
