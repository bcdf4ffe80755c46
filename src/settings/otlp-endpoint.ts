import type { OtlpProtocol } from '../contract/export-settings.ts';
import { plainText, type Value } from './value.ts';

/** The variables that can give an endpoint. */
export interface OtlpEndpoints {
  /** For all signals: HTTP appends the path of the traces. */
  readonly base: string | undefined;
  /** For traces alone: used as it is. */
  readonly traces: string | undefined;
  /** What a gRPC endpoint without a scheme means: no TLS. */
  readonly insecure: boolean;
}

/** An endpoint of either protocol. The protocol decides later what is allowed. */
export const endpointText: Value<string> = { ...plainText, allowed: 'an OTLP endpoint', isSecret: hasSecret };

const standard = { 'http/protobuf': 'http://localhost:4318', grpc: 'http://localhost:4317' } as const;
const tracesPath = '/v1/traces';

/** An endpoint of this protocol. gRPC also takes `host:port` and Unix sockets. */
export function otlpUrl(protocol: OtlpProtocol): Value<string> {
  const { port } = new URL(standard[protocol]);
  const schemes = protocol === 'grpc' ? ['http:', 'https:', 'unix:'] : ['http:', 'https:'];
  return {
    allowed: `an OTLP endpoint for ${protocol} such as http://host:${port} or https://host:${port}`,
    isSecret: hasSecret,
    parse: (given) => {
      const url = protocol === 'grpc' && !hasScheme(given) ? `https://${given}` : given;
      return URL.canParse(url) && schemes.includes(new URL(url).protocol) ? given : undefined;
    },
  };
}

/** By "OTLP exporter configuration" of the OpenTelemetry specification, "Endpoint URLs for OTLP/HTTP" and "OTLP/gRPC". */
export function otlpEndpoint(
  protocol: OtlpProtocol,
  { base, traces, insecure }: OtlpEndpoints,
): { endpoint: string; secure: boolean } {
  if (protocol === 'grpc') {
    const given = traces ?? base ?? standard.grpc;
    const endpoint = hasScheme(given) ? given : `${insecure ? 'http' : 'https'}://${given}`;
    return { endpoint, secure: endpoint.startsWith('https:') || (endpoint.startsWith('unix:') && !insecure) };
  }
  const url = new URL(traces ?? base ?? standard[protocol]);
  if (traces === undefined) url.pathname = url.pathname.replace(/\/?$/, tracesPath);
  return { endpoint: url.href, secure: url.protocol === 'https:' };
}

function hasScheme(endpoint: string): boolean {
  return endpoint.includes('://') || endpoint.startsWith('unix:');
}

/** A user with a password, or a query with a key. */
function hasSecret(endpoint: string): boolean {
  return /[@?]/.test(endpoint);
}
