import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { ProbeDefinition } from '../../contract/decision.ts';
import { UspanError } from '../../contract/errors.ts';
import type { DefinitionRecipe } from '../definitions/recipe.ts';
import type { PlanOptions } from '../plan.ts';
import type { InspectReply, InspectRequest, InspectWorkerData } from './inspect-worker.ts';
import { fromPlain, type Inspection } from './inspection.ts';

export interface InspectorOptions extends PlanOptions {
  readonly recipe: DefinitionRecipe;
  /** What the recipe makes, in the same order. */
  readonly definitions: readonly ProbeDefinition[];
  /** Called for each file that ended the thread or took too long. */
  readonly onGivenUp?: () => void;
  /** A file that takes longer is given up. */
  readonly deadlineMs?: number;
  /** The thread ends when it has been idle for this long. */
  readonly idleMs?: number;
  /** Limit of the thread's JavaScript heap. */
  readonly maxHeapMiB?: number;
  /** What the thread runs, in place of inspect-worker. */
  readonly workerUrl?: URL;
}

/** The largest programs take a second, and half a minute in an emulated machine. */
const defaultDeadlineMs = 30_000;
const defaultIdleMs = 10_000;
/** A Go program of 120 MB takes some 200 MB. */
const defaultMaxHeapMiB = 1024;

/** The file name ending of this module: `.ts` in the sources, `.js` in a build. */
const defaultWorkerUrl = new URL(`./inspect-worker${extname(import.meta.url)}`, import.meta.url);

interface Job {
  readonly request: InspectRequest;
  readonly done: (inspection: Inspection | undefined) => void;
}

/**
 * Reads files and plans for them in a thread of its own, one at a time, so that draining never waits for a parser. A file that ends the
 * thread, or takes too long, costs only that file: its inspection has the error E_INSPECT, and the next file gets a new thread.
 */
export class Inspector {
  readonly #options: InspectorOptions;
  readonly #waiting: Job[] = [];
  #worker: Worker | undefined;
  #job: Job | undefined;
  #timer: NodeJS.Timeout | undefined;
  #read = 0;
  #closed = false;

  constructor(options: InspectorOptions) {
    this.#options = options;
  }

  /** Starts the thread, which takes some 100 ms, for files that will come soon. */
  warmUp(): void {
    if (this.#worker || this.#closed) return;
    try {
      this.#worker = this.#start();
    } catch {
      return; // The first file will say why.
    }
    if (!this.#job) this.#next();
  }

  /** Files read so far. */
  get filesRead(): number {
    return this.#read;
  }

  /** Whether there is a thread now. */
  get running(): boolean {
    return this.#worker !== undefined;
  }

  /** Undefined if the file cannot be opened, or after close(). Never rejects. */
  inspect(request: InspectRequest): Promise<Inspection | undefined> {
    return new Promise((done) => {
      this.#waiting.push({ request, done });
      this.#next();
    });
  }

  /** Ends the thread. Requests that are still open get undefined. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    const job = this.#job;
    this.#job = undefined;
    for (const each of [...(job ? [job] : []), ...this.#waiting.splice(0)]) each.done(undefined);
    await this.#drop();
  }

  #next(): void {
    if (this.#job) return;
    clearTimeout(this.#timer);
    const job = this.#waiting.shift();
    if (this.#closed) job?.done(undefined);
    else if (job) this.#post(job);
    else this.#timer = setTimeout(() => void this.#drop(), this.#options.idleMs ?? defaultIdleMs).unref();
  }

  #post(job: Job): void {
    const deadlineMs = this.#options.deadlineMs ?? defaultDeadlineMs;
    this.#job = job;
    this.#read++;
    this.#timer = setTimeout(() => this.#fail(`it took longer than ${deadlineMs / 1000} s`), deadlineMs);
    try {
      this.#worker ??= this.#start();
      this.#worker.postMessage(job.request);
    } catch (error) {
      this.#fail('no thread for it could be started', error);
    }
  }

  #start(): Worker {
    const { recipe, allowSingleStep, allowInstrumented } = this.#options;
    const { workerUrl = defaultWorkerUrl, maxHeapMiB = defaultMaxHeapMiB } = this.#options;
    const workerData: InspectWorkerData = { recipe, allowSingleStep, allowInstrumented };
    const worker = new Worker(workerUrl, {
      workerData,
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: maxHeapMiB },
    });
    worker.unref();
    worker.on('message', (reply: InspectReply) => {
      if (worker === this.#worker) this.#answer(reply && fromPlain(reply, this.#options.definitions));
    });
    const ended = (cause?: unknown) => {
      if (worker === this.#worker) this.#fail('the thread that read it ended', cause);
    };
    worker.on('error', ended);
    worker.on('exit', () => ended());
    return worker;
  }

  #fail(why: string, cause?: unknown): void {
    void this.#drop();
    if (!this.#job) return;
    this.#options.onGivenUp?.();
    const { path, role } = this.#job.request;
    const error = new UspanError('E_INSPECT', `the file could not be looked into: ${why}`, {
      on: path,
      fix: 'It is left alone, and all others go on',
      ...(cause instanceof Error ? { cause } : {}),
    });
    this.#answer({ path, role, binary: undefined, error, decisions: [], loadsLibraries: false });
  }

  #answer(inspection: Inspection | undefined): void {
    clearTimeout(this.#timer);
    const job = this.#job;
    this.#job = undefined;
    job?.done(inspection);
    this.#next();
  }

  /** Ignores everything that an old thread still says. */
  async #drop(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
  }
}
