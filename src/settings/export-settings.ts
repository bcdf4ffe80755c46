import type { ExportSettings, OtlpSettings } from '../contract/export-settings.ts';
import { otlpEndpoint } from './otlp-endpoint.ts';
import type { Settings } from './table.ts';

/** Where and how to send spans, from all settings. */
export function exportSettingsOf(settings: Settings): ExportSettings {
  const exporters = [...new Set(settings.exporters)];
  return {
    exporters: exporters.includes('none') ? [] : exporters.filter((each) => each !== 'none'),
    otlp: otlpSettingsOf(settings),
    batch: {
      scheduleDelayMs: settings.scheduleDelayMs,
      // "must be less or equal to OTEL_BSP_MAX_QUEUE_SIZE": OpenTelemetry specification, SDK environment variables
      maxBatchSpans: Math.min(settings.maxBatchSpans, settings.maxQueueSpans),
      maxBatchBytes: settings.maxBatchBytes,
      maxQueueSpans: settings.maxQueueSpans,
      maxQueueBytes: settings.maxQueueBytes,
      maxConcurrentExports: 2,
    },
  };
}

function otlpSettingsOf(settings: Settings): OtlpSettings {
  const { endpoint, secure } = otlpEndpoint(settings.otlpProtocol, {
    base: settings.otlpEndpoint,
    traces: settings.otlpTracesEndpoint,
    insecure: settings.otlpInsecure,
  });
  const tls = { caFile: settings.otlpCaFile, certFile: settings.otlpCertFile, keyFile: settings.otlpKeyFile };
  return {
    protocol: settings.otlpProtocol,
    endpoint,
    headers: { ...settings.otlpHeaders, ...settings.otlpTracesHeaders },
    compression: settings.otlpCompression,
    // Both bound one attempt, which is repeated as long as the queue has room.
    timeoutMs: Math.min(settings.otlpTimeoutMs, settings.exportTimeoutMs),
    tls: secure ? tls : undefined,
  };
}
