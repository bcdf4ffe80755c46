import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { startProcess } from './process.ts';

/** A started test/fixtures/go-sql or go-sql-drivers. */
export interface GoSqlFixture {
  readonly pid: number;
  /** Where it serves HTTP. go-sql-drivers does not. */
  readonly httpPort: number;
  /** Tells it what to do, in a goroutine of its own. Resolves when that is done, with what it says behind `done`. */
  order(order: string): Promise<string>;
  stop(): Promise<unknown>;
}

/** Starts a built fixture and waits until it takes orders. */
export async function startGoSqlFixture(
  path: string,
  env: Readonly<Record<string, string | undefined>> = {},
): Promise<GoSqlFixture> {
  const child = await startProcess(path, [], { env });
  await child.waitForLine(/^ready$/);
  const portOf = (what: string) =>
    Number(new RegExp(`^${what} 127\\.0\\.0\\.1:(\\d+)$`, 'm').exec(child.stdout())?.[1]);
  const port = portOf('listening');
  return {
    pid: child.pid,
    httpPort: portOf('serving'),
    async order(order) {
      const socket = connect(port, '127.0.0.1');
      try {
        socket.write(`${order}\n`);
        const [answer] = (await once(createInterface(socket), 'line')) as [string];
        if (!answer.startsWith('done')) throw new Error(`${order}: ${answer}; ${child.stderr()}`);
        return answer.slice('done'.length).trim();
      } finally {
        socket.destroy();
      }
    },
    stop: () => child.stop(),
  };
}
