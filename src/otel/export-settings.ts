import { getNumberFromEnv, getStringFromEnv } from '@opentelemetry/core';
import { UspanError } from '../contract/errors.ts';
import type { OtlpProtocol } from './otlp-transport.ts';

/** Limits of batching, queue and time. */
export interface BatchSettings {
  /** `OTEL_BSP_SCHEDULE_DELAY`: longest wait of a span before it is sent. */
  readonly scheduleDelayMs: number;
  /** `OTEL_BSP_MAX_EXPORT_BATCH_SIZE`: spans a request. */
  readonly maxBatchSpans: number;
  /** Bytes a request, before compression; receivers commonly accept 4 MB. */
  readonly maxBatchBytes: number;
  /** `OTEL_BSP_MAX_QUEUE_SIZE`: spans waiting or being sent. */
  readonly maxQueueSpans: number;
  /** Encoded bytes waiting or being sent. */
  readonly maxQueueBytes: number;
  /** `OTEL_BSP_EXPORT_TIMEOUT`: after this a request is no longer retried. */
  readonly exportTimeoutMs: number;
  readonly maxConcurrentExports: number;
}

export interface ExportSettings {
  /** `OTEL_TRACES_EXPORTER`; empty for `none`. */
  readonly exporters: readonly ('otlp' | 'console')[];
  readonly protocol: OtlpProtocol;
  readonly batch: BatchSettings;
}

export const defaultBatchSettings: BatchSettings = {
  scheduleDelayMs: 1000,
  maxBatchSpans: 2048,
  maxBatchBytes: 1024 * 1024,
  maxQueueSpans: 262_144,
  maxQueueBytes: 64 * 1024 * 1024,
  exportTimeoutMs: 30_000,
  maxConcurrentExports: 2,
};

/** Reads `OTEL_TRACES_EXPORTER`, the OTLP protocol and `OTEL_BSP_*`. @throws UspanError E_USAGE on a value we cannot follow. */
export function readExportSettings(): ExportSettings {
  const maxQueueSpans = positive('OTEL_BSP_MAX_QUEUE_SIZE', defaultBatchSettings.maxQueueSpans);
  return {
    exporters: exporters(),
    protocol: protocol(),
    batch: {
      ...defaultBatchSettings,
      scheduleDelayMs: positive('OTEL_BSP_SCHEDULE_DELAY', defaultBatchSettings.scheduleDelayMs),
      // "must be less or equal to OTEL_BSP_MAX_QUEUE_SIZE": OpenTelemetry specification, SDK environment variables
      maxBatchSpans: Math.min(
        positive('OTEL_BSP_MAX_EXPORT_BATCH_SIZE', defaultBatchSettings.maxBatchSpans),
        maxQueueSpans,
      ),
      maxQueueSpans,
      exportTimeoutMs: positive('OTEL_BSP_EXPORT_TIMEOUT', defaultBatchSettings.exportTimeoutMs),
    },
  };
}

function exporters(): ('otlp' | 'console')[] {
  const name = 'OTEL_TRACES_EXPORTER';
  const wanted = new Set((getStringFromEnv(name) ?? 'otlp').split(',').map((part) => part.trim()));
  if (wanted.has('none')) return [];
  return [...wanted].map((exporter) => {
    if (exporter === 'otlp' || exporter === 'console') return exporter;
    throw unusable(name, exporter, 'Use otlp, console or none');
  });
}

function protocol(): OtlpProtocol {
  const specific = 'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL';
  const name = getStringFromEnv(specific) ? specific : 'OTEL_EXPORTER_OTLP_PROTOCOL';
  const value = (getStringFromEnv(name) ?? 'http/protobuf').trim();
  if (value === 'grpc' || value === 'http/protobuf') return value;
  throw unusable(name, value, 'Use http/protobuf or grpc');
}

/** A whole number above 0, at most what a timer takes. */
function positive(name: string, fallback: number): number {
  if (getStringFromEnv(name) === undefined) return fallback;
  const value = getNumberFromEnv(name);
  if (value !== undefined && Number.isInteger(value) && value > 0 && value < 2 ** 31) return value;
  throw unusable(name, String(process.env[name]), 'Use a whole number above 0');
}

function unusable(name: string, value: string, fix: string): UspanError {
  return new UspanError('E_USAGE', `${name} cannot be '${value}'`, { on: name, fix });
}
