import { attributeKey } from '../../contract/attribute-key.ts';
import type { Slab, SpanWriter } from '../../contract/span.ts';
import { NodePeer } from '../layout.gen.ts';

const key = {
  address: attributeKey('network.peer.address'),
  port: attributeKey('network.peer.port'),
} as const;

const inet = 2;
const inet6 = 10;

/** Writes the `struct uspan_node_peer` at byte offset `at`: nothing where the connection was there before the probes. */
export function writePeer(slab: Slab, at: number, out: SpanWriter): void {
  const address = peerAddress(slab, at);
  if (address === undefined) return;
  out.text(key.address, address);
  out.int(key.port, peerPort(slab, at));
}

/** The address as text, or undefined. */
export function peerAddress({ bytes }: Slab, at: number): string | undefined {
  const family = bytes[at + NodePeer.family]! | (bytes[at + NodePeer.family + 1]! << 8);
  const address = at + NodePeer.address;
  if (family === inet) return `${bytes[address]}.${bytes[address + 1]}.${bytes[address + 2]}.${bytes[address + 3]}`;
  if (family === inet6) return ipv6Text(bytes, address);
  return undefined;
}

export function peerPort({ bytes }: Slab, at: number): number {
  return bytes[at + NodePeer.port]! | (bytes[at + NodePeer.port + 1]! << 8);
}

/** RFC 5952: the longest run of zero groups, if of two or more, becomes `::`. */
function ipv6Text(bytes: Uint8Array, at: number): string {
  const groups = Array.from({ length: 8 }, (_, i) => (bytes[at + 2 * i]! << 8) | bytes[at + 2 * i + 1]!);
  let best = { from: 0, length: 0 };
  for (let from = 0; from < 8; from++) {
    let to = from;
    while (to < 8 && groups[to] === 0) to++;
    if (to - from > best.length) best = { from, length: to - from };
  }
  const hex = (list: readonly number[]) => list.map((group) => group.toString(16)).join(':');
  if (best.length < 2) return hex(groups);
  return `${hex(groups.slice(0, best.from))}::${hex(groups.slice(best.from + best.length))}`;
}
