import { join } from 'node:path';
import { backendPath } from './backends.ts';
import { freePorts } from './free-ports.ts';
import { type DecodedSpan, decodeOtlpJson } from './otlp-decode.ts';
import { type RunningProcess, startProcess } from './process.ts';

const config = join(import.meta.dirname, '..', '..', 'deploy', 'jaeger.yaml');

/** OTLP gRPC, OTLP HTTP, query HTTP, query gRPC. */
type Ports = readonly [number, number, number, number];

/** What to look for. Jaeger needs a service and a time. */
export interface JaegerSearch {
  readonly service: string;
  /** Span name. */
  readonly operation?: string;
  /** Default: 1000. */
  readonly maxTraces?: number;
}

/**
 * The real Jaeger with deploy/jaeger.yaml on free loopback ports, with traces in memory, and its query API (v3: traces are OTLP JSON). It
 * asks for raw spans. Otherwise Jaeger adds warnings of its own as attributes (`parent span ID=… is not in the trace`).
 *
 *     await using jaeger = await startJaeger();
 *     // run something with OTEL_EXPORTER_OTLP_ENDPOINT=jaeger.grpcEndpoint
 *     const spans = await jaeger.trace(traceId);
 */
export class Jaeger {
  readonly ports: Ports;
  /** For `OTEL_EXPORTER_OTLP_ENDPOINT`, gRPC and HTTP. */
  readonly grpcEndpoint: string;
  readonly httpEndpoint: string;
  readonly #process: RunningProcess;
  readonly #startedAt = new Date(Date.now() - 60_000);

  constructor(process: RunningProcess, ports: Ports) {
    this.#process = process;
    this.ports = ports;
    this.grpcEndpoint = `http://127.0.0.1:${ports[0]}`;
    this.httpEndpoint = `http://127.0.0.1:${ports[1]}`;
  }

  async services(): Promise<string[]> {
    const { services = [] } = await this.#query<{ services?: string[] }>('services');
    return services.sort();
  }

  /** Span names of a service, with their kinds in Jaeger's words (`server`). */
  async operations(service: string): Promise<{ name: string; spanKind: string }[]> {
    const { operations = [] } = await this.#query<{ operations?: { name: string; spanKind: string }[] }>('operations', {
      service,
    });
    return operations;
  }

  /** All spans of a trace. None if Jaeger does not know it. */
  async trace(traceId: string): Promise<DecodedSpan[]> {
    return this.#traces(`traces/${traceId}`, { raw_traces: 'true' });
  }

  /** All spans of the traces found, including those of other services. */
  async search({ service, operation, maxTraces = 1000 }: JaegerSearch): Promise<DecodedSpan[]> {
    return this.#traces('traces', {
      'query.service_name': service,
      ...(operation && { 'query.operation_name': operation }),
      'query.start_time_min': this.#startedAt.toISOString(),
      'query.start_time_max': new Date(Date.now() + 60_000).toISOString(),
      'query.num_traces': String(maxTraces),
      'query.raw_traces': 'true',
    });
  }

  /** Everything it holds. */
  async spans(): Promise<DecodedSpan[]> {
    const found = new Map<string, DecodedSpan>();
    for (const service of await this.services()) {
      for (const span of await this.search({ service })) found.set(`${span.traceId} ${span.spanId}`, span);
    }
    return [...found.values()];
  }

  /** SIGKILL: what it held in memory is gone. */
  async kill9(): Promise<void> {
    process.kill(this.#process.pid, 'SIGKILL');
    await this.#process.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.stop();
  }

  async #traces(path: string, query: Record<string, string>): Promise<DecodedSpan[]> {
    // Jaeger answers 404 if it finds nothing.
    const answer = await this.#query<{ result?: unknown } | undefined>(path, query, 404);
    return answer?.result === undefined ? [] : decodeOtlpJson(JSON.stringify(answer.result));
  }

  async #query<T>(path: string, query: Record<string, string> = {}, none = 0): Promise<T> {
    const url = `http://127.0.0.1:${this.ports[2]}/api/v3/${path}?${new URLSearchParams(query)}`;
    const response = await fetch(url);
    if (response.status === none) return undefined as T;
    if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
    return (await response.json()) as T;
  }
}

/** Resolves when it is ready. Give the ports of one that was killed, to come back. */
export async function startJaeger(options: { readonly ports?: Ports } = {}): Promise<Jaeger> {
  const ports = options.ports ?? ((await freePorts(4)) as unknown as Ports);
  const places = [
    'receivers::otlp::protocols::grpc',
    'receivers::otlp::protocols::http',
    'extensions::jaeger_query::http',
    'extensions::jaeger_query::grpc',
  ];
  const endpoints = places.map((place, index) => `--set=${place}::endpoint=127.0.0.1:${ports[index]}`);
  const process = await startProcess(backendPath('jaeger'), [`--config=${config}`, ...endpoints]);
  await process.waitForLine(/Everything is ready/, 30_000);
  return new Jaeger(process, ports);
}
