/** What the tests of PostgreSQL tracing share: a server of their own, an agent on it, and the collector it sends to. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type AgentOptions, type RunningAgent, startAgent } from '../support/agent.ts';
import { type DecodedSpan, type OtlpReceiver, startOtlpReceiver } from '../support/otlp-receiver.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';
import { openSession, type WireSession } from '../support/postgres-wire.ts';

export interface PostgresWorld {
  readonly server: PostgresServer;
  readonly agent: RunningAgent;
  readonly receiver: OtlpReceiver;
  /** A session with an application name of its own, which identifies its spans. The world closes it at the latest. */
  session(options?: { readonly unix?: boolean }): Promise<TracedSession>;
  /** The spans of an application (and a table), oldest first. Waits until there are `count` of them. More than that is an error. */
  spans(application: string, count: number, table?: string): Promise<DecodedSpan[]>;
  close(): Promise<void>;
}

export interface TracedSession extends WireSession {
  readonly application: string;
  /** The next `count` spans of this session, oldest first. */
  next(count: number): Promise<DecodedSpan[]>;
}

export interface WorldOptions {
  /** Settings of the server. */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** What the agent traces. By default the server's executable. */
  readonly agent?: (server: PostgresServer) => Partial<AgentOptions>;
  /** Runs before the agent comes. */
  readonly before?: (server: PostgresServer) => Promise<void>;
}

export async function openPostgresWorld(options: WorldOptions = {}): Promise<PostgresWorld> {
  const receiver = await startOtlpReceiver();
  const server = await startPostgres(options.settings);
  await options.before?.(server);
  const chosen = options.agent?.(server) ?? { exeGlobs: [server.exe] };
  const agent = await startAgent({ endpoint: receiver.endpoint, ...chosen });
  await agent.attached(server.pid, 120_000);
  const sessions: WireSession[] = [];

  const spans = async (application: string, count: number, table?: string) => {
    const deadline = performance.now() + 20_000;
    for (;;) {
      const all = receiver
        .spans()
        .filter(({ attributes }) => attributes['uspan.postgresql.application_name'] === application)
        .filter(({ attributes }) => table === undefined || attributes['db.collection.name'] === table);
      if (all.length > count || (all.length < count && performance.now() > deadline)) {
        throw new Error(`${all.length} spans of ${application} where ${count} are due: ${all.map(({ name }) => name)}`);
      }
      if (all.length === count) return all.sort((a, b) => Number(a.startUnixNs - b.startUnixNs));
      await sleep(10);
    }
  };
  return {
    server,
    agent,
    receiver,
    spans,
    async session(options = {}) {
      const application = `session ${sessions.length}`;
      const session = await openSession(server, { application, ...options });
      sessions.push(session);
      let seen = 0;
      const next = async (count: number) => {
        seen += count;
        return (await spans(application, seen)).slice(-count || seen);
      };
      return { ...session, application, next };
    },
    async close() {
      await Promise.all(sessions.map((session) => session.close()));
      await agent.stop().catch(() => {});
      await server.stop();
      await receiver.close();
    },
  };
}
