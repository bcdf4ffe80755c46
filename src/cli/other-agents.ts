import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Notify } from '../contract/notify.ts';
import type { ProcessFacts } from '../discovery/processes/process-facts.ts';

/** Abstract sockets (unix(7)) have no file, and so end with their agent, however that ends. Its pid follows. */
const namePrefix = 'uspan-agent/';
const answerWithinMs = 2000;
/** A host has at most 4,194,304 processes, and far fewer that are selected. */
const maxMessageBytes = 4 << 20;

export interface OtherAgentsOptions {
  readonly notify: Notify;
  /** Processes that this agent traces, or is about to trace. */
  readonly traced: () => readonly ProcessFacts[];
  /** `--allow-second`: the other agent is told whether both go on. */
  readonly isAllowed: boolean;
}

interface Question {
  readonly agent: number;
  readonly isAllowed: boolean;
  readonly processes: readonly string[];
}

/** Processes that another agent traces as well. */
export interface Shared {
  readonly agent: number;
  readonly pids: readonly number[];
}

/** Agents on this host, in the same network namespace, ask each other whether they trace the same processes. */
export class OtherAgents {
  readonly #options: OtherAgentsOptions;
  readonly #server: Server;
  readonly #told = new Set<number>();
  #isSettled = false;

  constructor(options: OtherAgentsOptions) {
    this.#options = options;
    this.#server = createServer({ allowHalfOpen: true }, (socket) => void this.#answer(socket));
    this.#server.unref();
  }

  /** Answers from now on. Without a network namespace of its own, nothing can be in the way: the name has the agent's pid. */
  async listen(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.once('error', () => resolve()); // Another process took the name. Then others do not know of this agent.
    this.#server.listen({ path: `\0${namePrefix}${process.pid}` }, resolve);
    await promise;
  }

  /** This agent traces what it says. Until then, of two that start at the same time, the one with the lower pid goes on. */
  settle(): void {
    this.#isSettled = true;
  }

  /** Asks all others. Those that do not answer in time are left out. */
  async shared(): Promise<Shared[]> {
    const others = otherAgents();
    if (others.length === 0) return [];
    const processes = this.#options.traced().map(keyOf);
    const question: Question = { agent: process.pid, isAllowed: this.#options.isAllowed, processes };
    const answers = await Promise.all(others.map(async (agent) => ({ agent, pids: await ask(agent, question) })));
    return answers.filter(({ pids }) => pids.length > 0);
  }

  /** Says so if another agent has come to trace the same. Once for each. */
  async look(): Promise<void> {
    for (const { agent, pids } of await this.shared())
      this.#tell(agent, pids, 'both go on, so every span is there twice');
  }

  async #answer(socket: Socket): Promise<void> {
    socket.on('error', () => {});
    const { agent, isAllowed, processes } = parse<Partial<Question>>(await readAll(socket)) ?? {};
    if (typeof agent !== 'number' || !Array.isArray(processes)) {
      socket.destroy();
      return;
    }
    const isFirst = this.#isSettled || process.pid < agent;
    const asked = new Set(processes);
    const traced = isFirst ? this.#options.traced().filter((facts) => asked.has(keyOf(facts))) : [];
    const pids = traced.map(({ pid }) => pid);
    socket.end(JSON.stringify(pids));
    const outcome = isAllowed ? 'both go on, so every span is there twice' : 'it was refused';
    if (pids.length > 0) this.#tell(agent, pids, outcome);
  }

  #tell(agent: number, pids: readonly number[], outcome: string): void {
    if (this.#told.has(agent)) return;
    this.#told.add(agent);
    const some = pids.slice(0, 10).join(', ');
    this.#options.notify('warn', 'another uspan traces the same processes', {
      agent,
      processes: pids.length > 10 ? `${some}, …` : some,
      outcome,
    });
  }
}

/** Two processes never have the same. */
function keyOf({ pid, startBootNs }: ProcessFacts): string {
  return `${pid}:${startBootNs}`;
}

/**
 * Pids of agents that answer. Anybody can make a socket with such a name, so it counts only if the process of that pid has it, and that
 * process is root's or belongs to this agent's user.
 */
function otherAgents(): number[] {
  const sockets = readFileSync('/proc/net/unix', 'utf8').matchAll(/ (\d+) @uspan-agent\/(\d+)$/gm);
  const agents = Array.from(sockets, ([, ino, pid]) => ({ ino, pid: Number(pid) }));
  return [...new Set(agents.filter(({ ino, pid }) => pid !== process.pid && holds(pid, ino!)).map(({ pid }) => pid))];
}

function holds(pid: number, socketIno: string): boolean {
  try {
    const { uid } = statSync(`/proc/${pid}`);
    if (uid !== 0 && uid !== process.geteuid!()) return false;
    return readdirSync(`/proc/${pid}/fd`).some(
      (fd) => readlinkSync(`/proc/${pid}/fd/${fd}`) === `socket:[${socketIno}]`,
    );
  } catch {
    return false; // It has just ended, or is in another pid namespace.
  }
}

async function ask(agent: number, question: Question): Promise<number[]> {
  const socket = connect({ path: `\0${namePrefix}${agent}`, allowHalfOpen: true });
  socket.on('error', () => {});
  socket.end(JSON.stringify(question));
  const pids = parse(await readAll(socket));
  return Array.isArray(pids) ? pids.filter((pid) => typeof pid === 'number') : [];
}

/** All that comes before the end. What came too late, or is too much, is not read. */
function readAll(socket: Socket): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const chunks: Buffer[] = [];
  let length = 0;
  const done = () => resolve(Buffer.concat(chunks).toString('utf8'));
  socket.setTimeout(answerWithinMs, () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    length += chunk.length;
    if (length > maxMessageBytes) socket.destroy();
  });
  socket.once('end', done);
  socket.once('close', done);
  return promise;
}

function parse<T>(text: string): T | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
