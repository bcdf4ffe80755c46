import { attributeKey } from '../../../contract/attribute-key.ts';
import type { Slab, SpanWriter } from '../../../contract/span.ts';
import { ipv4Text, ipv6Text } from '../../../semconv/ip-address.ts';
import { NodePeer } from '../../layout.gen.ts';

const key = {
  address: attributeKey('network.peer.address'),
  port: attributeKey('network.peer.port'),
  clientAddress: attributeKey('client.address'),
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

/** The same for a server, whose peer is the client. */
export function writeClient(slab: Slab, at: number, length: number, out: SpanWriter): void {
  const address = length === NodePeer.size ? peerAddress(slab, at) : undefined;
  if (address === undefined) return;
  out.text(key.clientAddress, address);
  out.text(key.address, address);
  out.int(key.port, peerPort(slab, at));
}

/** The address as text, or undefined. */
export function peerAddress({ bytes }: Slab, at: number): string | undefined {
  const family = bytes[at + NodePeer.family]! | (bytes[at + NodePeer.family + 1]! << 8);
  const address = at + NodePeer.address;
  if (family === inet) return ipv4Text(bytes, address);
  return family === inet6 ? ipv6Text(bytes, address) : undefined;
}

export function peerPort({ bytes }: Slab, at: number): number {
  return bytes[at + NodePeer.port]! | (bytes[at + NodePeer.port + 1]! << 8);
}
