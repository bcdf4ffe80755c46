import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { backendPath } from './backends.ts';
import { freePorts } from './free-ports.ts';
import { type DecodedSpan, decodeOtlpJson } from './otlp-decode.ts';
import { startProcess } from './process.ts';

export interface CollectorOptions {
  /** Files of deploy/, or `yaml:…` texts. Each is merged over those before. */
  readonly configs: readonly string[];
  /** For ${env:…} in the configurations. */
  readonly env?: Readonly<Record<string, string>>;
  /** What else in them listens, `extensions::health_check`. It also gets a free port. */
  readonly listeners?: readonly string[];
}

/** A real OpenTelemetry Collector on free loopback ports. */
export interface Collector extends AsyncDisposable {
  /** On 127.0.0.1. The configuration decides whether it is plain or TLS. */
  readonly grpcPort: number;
  readonly httpPort: number;
  /** What its file exporter has written so far: the spans as they left its pipeline. */
  spans(): DecodedSpan[];
}

const deploy = join(import.meta.dirname, '..', '..', 'deploy');

/** Resolves when it is ready. The configurations must have a `file` exporter. This function chooses its path. */
export async function startCollector({ configs, env = {}, listeners = [] }: CollectorOptions): Promise<Collector> {
  const directory = await mkdtemp(join(tmpdir(), 'uspan-collector-'));
  const file = join(directory, 'spans.jsonl');
  const places = ['receivers::otlp::protocols::grpc', 'receivers::otlp::protocols::http', ...listeners];
  const ports = await freePorts(places.length);
  const process = await startProcess(
    backendPath('otelcol'),
    [
      ...configArguments(configs),
      ...places.map((place, index) => `--set=${place}::endpoint=127.0.0.1:${ports[index]}`),
      `--set=exporters::file::path=${file}`,
      '--set=exporters::file::flush_interval=100ms',
    ],
    { env },
  );
  await process.waitForLine(/Everything is ready/, 30_000);
  return {
    grpcPort: ports[0]!,
    httpPort: ports[1]!,
    spans: () => {
      const text = readFileSync(file, 'utf8');
      // The last line may still be incomplete.
      return text
        .slice(0, text.lastIndexOf('\n') + 1)
        .split('\n')
        .filter(Boolean)
        .flatMap(decodeOtlpJson);
    },
    async [Symbol.asyncDispose]() {
      await process.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** `--config` arguments of the Collector's command line. */
export function configArguments(configs: readonly string[]): string[] {
  return configs.map((config) => `--config=${config.startsWith('yaml:') ? config : join(deploy, config)}`);
}
