/** Programs that nobody here wrote, with otelhttp inside: each request is a span that says what the client saw. */
import { randomBytes } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { useWorld } from '../kernel/go-world.ts';
import { describeKernel } from '../kernel/native-fixture.ts';
import type { RunningAgent } from '../support/agent.ts';
import { freePorts } from '../support/free-ports.ts';
import { concurrently, RawConnection, requestOnce } from '../support/http.ts';
import { leavesNothingInKernel } from '../support/kernel-leftovers.ts';
import type { DecodedSpan } from '../support/otlp-receiver.ts';
import { type RunningProcess, startProcess } from '../support/process.ts';
import {
  type Ask,
  buildDeadlineMs,
  buildRealProgram,
  configure,
  type RealProgram,
  realPrograms,
} from '../support/real-programs.ts';

const requests = 300;
const lanes = 6;
const serverKind = 2;

/** A request that was answered, and the trace that it was sent in. */
interface Asked {
  readonly ask: Ask;
  /** Of the program. */
  readonly ports: readonly number[];
  /** Of the connection's other end. */
  readonly clientPort: number;
  readonly traceId: string;
  readonly parentSpanId: string;
}

describeKernel('real programs with otelhttp inside', () => {
  leavesNothingInKernel();
  const world = useWorld();

  describe.each(realPrograms)('$name $version', (program) => {
    let built: string;
    let directory: string;
    let running: RunningProcess | undefined;

    beforeAll(async () => {
      built = await buildRealProgram(program);
      directory = await mkdtemp(join(tmpdir(), 'uspan-real-'));
    }, buildDeadlineMs);

    afterEach(async () => {
      await running?.stop();
    });

    afterAll(async () => {
      await rm(directory, { recursive: true, force: true });
    });

    /** Copies it, so that it has an inode of its own. */
    async function copy(to: string): Promise<string> {
      const path = join(directory, to, program.name);
      await mkdir(join(path, '..'));
      await copyFile(built, path);
      return path;
    }

    /** Starts a copy, and waits until it answers. */
    async function start(path: string): Promise<{ readonly pid: number; readonly ports: readonly number[] }> {
      const ports = await freePorts(2);
      const started = await startProcess(path, await configure(program, join(path, '..'), ports));
      running = started;
      const ended = started.exited.then(() => {
        throw new Error(`it ended: ${started.stderr()}`);
      });
      await Promise.race([ended, vi.waitFor(() => requestOnce(ports[0]!), 30_000)]);
      return { pid: started.pid, ports };
    }

    async function check(agent: RunningAgent, pid: number, ports: readonly number[]): Promise<void> {
      const asked = await askAll(program, ports);
      const expected = asked.flatMap(due);
      const ours = new Set(asked.map(({ traceId }) => traceId));
      const spans = () =>
        world.receiver.spans().filter(({ resource, traceId }) => resource['process.pid'] === pid && ours.has(traceId));
      await vi.waitFor(() => expect(spans().length).toBeGreaterThanOrEqual(expected.length), 20_000);
      // What it has sent when it ended is all that it had.
      const { report } = await agent.stop();
      const traces = Map.groupBy(spans(), ({ traceId }) => traceId);
      expect(inOrder([...traces.values()].flatMap(said))).toEqual(inOrder(expected));
      expect(report).toMatchObject({ lost: [], lostTotal: 0 });
    }

    test(`running before the agent: ${requests} requests, ${requests} server spans`, async () => {
      const { pid, ports } = await start(await copy('before'));
      await check(await world.agent({ pids: [pid] }), pid, ports);
    });

    test(`by --exe, started after the agent: ${requests} requests, ${requests} server spans`, async () => {
      const path = await copy('after');
      const agent = await world.agent({ exeGlobs: [path] });
      const { pid, ports } = await start(path);
      await agent.attached(pid);
      await check(agent, pid, ports);
    });
  });
});

/** Sends them over connections that are kept, each renewed now and then. Rejects where a status is not the program's. */
async function askAll({ asks }: RealProgram, ports: readonly number[]): Promise<Asked[]> {
  const [port] = ports;
  const perLane = await concurrently(lanes, async (lane) => {
    const asked: Asked[] = [];
    let connection = await RawConnection.open(port!);
    for (let n = lane; n < requests; n += lanes) {
      const ask = asks[(Math.floor(n / lanes) + lane) % asks.length]!;
      const [traceId, parentSpanId] = [randomBytes(16).toString('hex'), randomBytes(8).toString('hex')];
      const traceparent = `00-${traceId}-${parentSpanId}-01`;
      const headers = { Host: `127.0.0.1:${port}`, ...ask.headers, traceparent };
      const { status } = await connection.request({ ...ask, headers });
      expect({ target: ask.target, status }).toEqual({ target: ask.target, status: ask.status });
      asked.push({ ask, ports, clientPort: connection.localPort, traceId, parentSpanId });
      if (asked.length % 10 > 0) continue;
      connection.abort();
      connection = await RawConnection.open(port!);
    }
    connection.abort();
    return asked;
  });
  return perLane.flat();
}

/** What is compared of a span. */
type Said = Readonly<Record<string, unknown>>;

/** Of the spans of a trace. Only the first to start has our connection's other end. */
function said(trace: readonly DecodedSpan[]): Said[] {
  const [first, ...rest] = trace.toSorted((a, b) => Number(a.startUnixNs - b.startUnixNs));
  return [
    { ...saidOf(first!, trace), clientPort: first!.attributes['network.peer.port'] },
    ...rest.map((span) => saidOf(span, trace)),
  ];
}

function saidOf(span: DecodedSpan, trace: readonly DecodedSpan[]): Said {
  const { kind, name, traceId, parentSpanId, status, attributes: of } = span;
  const parent = trace.find(({ spanId }) => spanId === parentSpanId);
  return {
    ...{ traceId, name, kind: kind === serverKind ? 'server' : 'client' },
    ...{ parent: parent ? parent.attributes['url.path'] : parentSpanId },
    ...{ method: of['http.request.method'], route: of['http.route'], path: of['url.path'], query: of['url.query'] },
    ...{ url: of['url.full'], port: of['server.port'], status: of['http.response.status_code'] },
    ...{ isError: status.code === 2, error: of['error.type'] },
  };
}

/** The span of the request itself and, if the program asks itself for the answer, those of the call and of what serves it. */
function due({ ask, ports, clientPort, traceId, parentSpanId }: Asked): Said[] {
  const [path, query] = ask.target.split('?');
  const { method = 'GET', status, route, behind } = ask;
  const errorFrom = (from: number) => ({ isError: status >= from, error: status >= from ? String(status) : undefined });
  const call = { traceId, name: method, method, status };
  // The program hands on the header that names the parent, so both servers have the same.
  const server = { ...call, kind: 'server', parent: parentSpanId, port: ports[0], ...errorFrom(500) };
  const own = { ...server, name: route ? `${method} ${route}` : method, route, path, query, clientPort };
  if (!behind) return [own];
  const url = `http://127.0.0.1:${ports[1]}${behind.path}`;
  return [
    own,
    { ...call, kind: 'client', parent: path, url, port: ports[1], ...errorFrom(400) },
    { ...server, name: behind.route ? `${method} ${behind.route}` : method, ...behind },
  ];
}

function inOrder(values: readonly Said[]): Said[] {
  const key = ({ traceId, kind, path, clientPort }: Said) => `${traceId} ${kind} ${path} ${clientPort}`;
  return values.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
}
