import { attributeKey } from '../contract/attribute-key.ts';
import type { Slab, SpanWriter } from '../contract/span.ts';
import { hostEnd, port } from './http-text.ts';

const serverAddress = attributeKey('server.address');
const serverPort = attributeKey('server.port');

/**
 * `server.address` and `server.port` of the `host[:port]` at byte offsets [from, to). An IPv6 address loses its brackets. If no port is
 * named it is `defaultPort`; 0: it is unknown.
 */
export function writeAuthority(slab: Slab, from: number, to: number, defaultPort: number, out: SpanWriter): void {
  const { bytes } = slab;
  const end = hostEnd(bytes, from, to);
  if (end === from) return;
  const bracketed = bracketBytes(bytes, from, end);
  out.bytes(serverAddress, slab, from + bracketed, end - from - 2 * bracketed);
  const named = port(bytes, end + 1, to);
  if (named >= 0) out.int(serverPort, named);
  else if (defaultPort > 0) out.int(serverPort, defaultPort);
}

/** Bytes of the bracket at each end of a host: 1 for an IPv6 address, else 0. */
export function bracketBytes(bytes: Uint8Array, from: number, end: number): 0 | 1 {
  return bytes[from] === 0x5b && bytes[end - 1] === 0x5d ? 1 : 0;
}
