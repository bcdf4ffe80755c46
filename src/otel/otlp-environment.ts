import { accessSync, constants } from 'node:fs';
import { DiagLogLevel, diag } from '@opentelemetry/api';
import { getStringFromEnv } from '@opentelemetry/core';
import { describeError, UspanError } from '../contract/errors.ts';
import type { Notify } from './losses.ts';
import type { OtlpProtocol } from './otlp-transport.ts';

/**
 * Refuses settings that the official exporters would only warn about and then ignore: a bad endpoint would send to localhost instead, an
 * unreadable certificate would trust the system's.
 * @throws UspanError E_USAGE
 */
export function checkOtlpEnvironment(protocol: OtlpProtocol, endpoint?: string): void {
  if (endpoint !== undefined) checkEndpoint(protocol, 'endpoint', endpoint);
  for (const [name, value] of settings('ENDPOINT')) checkEndpoint(protocol, name, value);
  for (const file of ['CERTIFICATE', 'CLIENT_CERTIFICATE', 'CLIENT_KEY']) {
    for (const [name, path] of settings(file)) {
      try {
        accessSync(path, constants.R_OK);
      } catch (cause) {
        throw new UspanError('E_USAGE', `the file of ${name} cannot be read`, { on: path, cause });
      }
    }
  }
}

/** The last warnings of the official exporters, each told once. */
export function forwardOtlpWarnings(notify: Notify): void {
  const told = new Set<string>();
  const warn = (message: string, ...more: unknown[]): void => {
    const text = [message, ...more.map((part) => (typeof part === 'string' ? part : describeError(part)))].join(' ');
    if (told.has(text) || told.size >= 32) return;
    told.add(text);
    notify('warn', text, {});
  };
  const ignore = (): void => {};
  diag.setLogger(
    { error: warn, warn, info: ignore, debug: ignore, verbose: ignore },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
}

/** The variables set for traces and for all signals. */
function settings(suffix: string): [name: string, value: string][] {
  return [`OTEL_EXPORTER_OTLP_TRACES_${suffix}`, `OTEL_EXPORTER_OTLP_${suffix}`].flatMap((name) => {
    const value = getStringFromEnv(name)?.trim();
    return value ? [[name, value]] : [];
  });
}

function checkEndpoint(protocol: OtlpProtocol, name: string, value: string): void {
  const grpc = protocol === 'grpc';
  // gRPC also takes `host:port`; OTEL_EXPORTER_OTLP_INSECURE then says whether with TLS.
  const url = grpc && !value.includes('://') && !value.startsWith('unix:') ? `https://${value}` : value;
  const schemes = grpc ? ['http:', 'https:', 'unix:'] : ['http:', 'https:'];
  if (URL.canParse(url) && schemes.includes(new URL(url).protocol)) return;
  throw new UspanError('E_USAGE', `${name} is no OTLP endpoint for ${protocol}`, {
    on: value,
    fix: `Use http://host:${grpc ? 4317 : 4318} or https://host:${grpc ? 4317 : 4318}`,
  });
}
