import { startProcess } from '../../test/support/process.ts';

/** The counting OTLP receiver (bench/receiver), running. */
export interface Receiver {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT, by gRPC. */
  readonly endpoint: string;
  /** The same, by OTLP/HTTP. */
  readonly httpEndpoint: string;
  /** Spans received since the start. */
  spans(): Promise<number>;
  /** Waits until no span came for `quietMs`, for at most `deadlineMs`. Gives the count. */
  settle(quietMs: number, deadlineMs: number): Promise<number>;
  stop(): Promise<void>;
}

export async function startReceiver(path: string): Promise<Receiver> {
  const child = await startProcess(path);
  const [, otlp] = await child.waitForLine(/^listening otlp (\S+)$/);
  const [, web] = await child.waitForLine(/^listening http (\S+)$/);
  const spans = async () => {
    const response = await fetch(`http://${web}/counts`);
    return ((await response.json()) as { spans: number }).spans;
  };
  const settle = async (quietMs: number, deadlineMs: number) => {
    const deadline = performance.now() + deadlineMs;
    let count = await spans();
    let changedAt = performance.now();
    while (performance.now() < Math.min(deadline, changedAt + quietMs)) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      const now = await spans();
      if (now !== count) [count, changedAt] = [now, performance.now()];
    }
    return count;
  };
  return {
    endpoint: `http://${otlp}`,
    httpEndpoint: `http://${web}`,
    spans,
    settle,
    stop: async () => void (await child.stop()),
  };
}

/** An environment for a program that exports, without this process's OpenTelemetry settings. */
export function exportEnv(
  endpoint: string,
  protocol: 'grpc' | 'http/protobuf' = 'grpc',
): Record<string, string | undefined> {
  const inherited = Object.keys(process.env).filter((name) => name.startsWith('OTEL_'));
  return {
    ...Object.fromEntries(inherited.map((name) => [name, undefined])),
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
  };
}
