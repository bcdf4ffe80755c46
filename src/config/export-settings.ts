import type { BatchSettings, ExportSettings, OtlpProtocol, OtlpSettings } from '../contract/export-settings.ts';
import { otlpEndpoint, otlpUrl } from './otlp-endpoint.ts';
import { keyValues, oneOf, parseValue, readableFile, truth, type Value, wholeNumber } from './value.ts';

/** An empty variable is an unset one (OpenTelemetry specification, "Environment Variable Specification"). */
export type Environment = Readonly<Record<string, string | undefined>>;

export const defaultBatchSettings: BatchSettings = {
  scheduleDelayMs: 1000,
  maxBatchSpans: 8192,
  // Below what receivers take: 4 MiB is the limit of gRPC servers, unless they set another.
  maxBatchBytes: 4_000_000,
  maxQueueSpans: 262_144,
  maxQueueBytes: 128 * 1024 * 1024,
  maxConcurrentExports: 2,
};

/** What a timer takes. */
const milliseconds = wholeNumber(1, 2 ** 31 - 1);
const spans = wholeNumber(1, 2 ** 31 - 1);

/** Reads `OTEL_TRACES_EXPORTER`, `OTEL_EXPORTER_OTLP_*` and `OTEL_BSP_*`. @throws UspanError E_USAGE on a value we cannot follow */
export function readExportSettings(env: Environment): ExportSettings {
  const maxQueueSpans = of(env, 'OTEL_BSP_MAX_QUEUE_SIZE', spans) ?? defaultBatchSettings.maxQueueSpans;
  const maxBatchSpans = of(env, 'OTEL_BSP_MAX_EXPORT_BATCH_SIZE', spans) ?? defaultBatchSettings.maxBatchSpans;
  return {
    exporters: exporters(env),
    otlp: otlp(env),
    batch: {
      ...defaultBatchSettings,
      scheduleDelayMs: of(env, 'OTEL_BSP_SCHEDULE_DELAY', milliseconds) ?? defaultBatchSettings.scheduleDelayMs,
      // "must be less or equal to OTEL_BSP_MAX_QUEUE_SIZE": OpenTelemetry specification, SDK environment variables
      maxBatchSpans: Math.min(maxBatchSpans, maxQueueSpans),
      maxQueueSpans,
    },
  };
}

function of<T>(env: Environment, name: string, value: Value<T>): T | undefined {
  const given = env[name]?.trim();
  return given ? parseValue(name, value, given) : undefined;
}

/** The variable of the traces alone goes before that of all signals. */
function ofTraces<T>(env: Environment, suffix: string, value: Value<T>): T | undefined {
  return of(env, `OTEL_EXPORTER_OTLP_TRACES_${suffix}`, value) ?? of(env, `OTEL_EXPORTER_OTLP_${suffix}`, value);
}

function exporters(env: Environment): ExportSettings['exporters'] {
  const name = 'OTEL_TRACES_EXPORTER';
  const words = new Set((env[name]?.trim() || 'otlp').split(',').map((part) => part.trim()));
  const wanted = [...words].map((word) => parseValue(name, oneOf(['otlp', 'console', 'none']), word));
  return wanted.includes('none') ? [] : wanted.filter((word) => word !== 'none');
}

function otlp(env: Environment): OtlpSettings {
  const protocol: OtlpProtocol = ofTraces(env, 'PROTOCOL', oneOf(['http/protobuf', 'grpc'])) ?? 'http/protobuf';
  const ofAllSignals = of(env, 'OTEL_EXPORTER_OTLP_HEADERS', keyValues);
  const ofTracesOnly = of(env, 'OTEL_EXPORTER_OTLP_TRACES_HEADERS', keyValues);
  const { endpoint, secure } = otlpEndpoint(protocol, {
    base: of(env, 'OTEL_EXPORTER_OTLP_ENDPOINT', otlpUrl(protocol)),
    traces: of(env, 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', otlpUrl(protocol)),
    insecure: ofTraces(env, 'INSECURE', truth) ?? false,
  });
  const tls = {
    caFile: ofTraces(env, 'CERTIFICATE', readableFile),
    certFile: ofTraces(env, 'CLIENT_CERTIFICATE', readableFile),
    keyFile: ofTraces(env, 'CLIENT_KEY', readableFile),
  };
  return {
    protocol,
    endpoint,
    headers: { ...ofAllSignals, ...ofTracesOnly },
    compression: ofTraces(env, 'COMPRESSION', oneOf(['none', 'gzip'])) ?? 'none',
    // Both bound one attempt; it is repeated for as long as the queue has room.
    timeoutMs: Math.min(
      ofTraces(env, 'TIMEOUT', milliseconds) ?? 10_000,
      of(env, 'OTEL_BSP_EXPORT_TIMEOUT', milliseconds) ?? 30_000,
    ),
    tls: secure ? tls : undefined,
  };
}
