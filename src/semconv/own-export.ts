import { queryMark } from './http-text.ts';

/** As the exporter calls itself in front of its version. */
const agent = Buffer.from('uspan/');
/** Where exporters send traces to: OTLP specification, "OTLP/HTTP Request", and the method of the gRPC service. */
const paths = ['/v1/traces', '/opentelemetry.proto.collector.trace.v1.TraceService/Export'].map((path) =>
  Buffer.from(path),
);

/**
 * Whether a request is an agent's export: a collector on this host that is traced too would otherwise make spans of our spans. The agent's name
 * alone is not enough, for any client can send it, and could hide what it does.
 * @param target where the request's target begins; a base path in front of that of the traces is no difference
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
