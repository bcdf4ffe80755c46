import { queryMark } from './http-text.ts';

/** The exporter's name, in front of its version. */
const agent = Buffer.from('uspan/');
/** Where exporters send traces: OTLP specification, "OTLP/HTTP Request", and the method of the gRPC service. */
const paths = ['/v1/traces', '/opentelemetry.proto.collector.trace.v1.TraceService/Export'].map((path) =>
  Buffer.from(path),
);

/**
 * Whether a request is an agent's export request. Without this, a traced collector on this host would make spans of our spans. The agent's
 * name alone is not enough, because any client can send it, and could so hide what it does.
 * @param target start of the request's target. A base path in front of the path of the traces makes no difference
 */
export function isOwnExport(
  bytes: Uint8Array,
  target: number,
  targetLength: number,
  userAgent: number,
  userAgentLength: number,
): boolean {
  if (userAgentLength <= agent.length || !isAt(bytes, userAgent, agent)) return false;
  const end = queryMark(bytes, target, target + targetLength);
  for (const path of paths) if (end - path.length >= target && isAt(bytes, end - path.length, path)) return true;
  return false;
}

function isAt(bytes: Uint8Array, at: number, wanted: Uint8Array): boolean {
  for (let i = 0; i < wanted.length; i++) if (bytes[at + i] !== wanted[i]) return false;
  return true;
}
