/** The peer that a record has as a `struct uspan_node_peer`. */
import { attributeKey } from '../contract/attribute-key.ts';
import type { Slab } from '../contract/span.ts';
import { NodePeer } from '../probes/layout.gen.ts';
import { ipv4Text, ipv6Text } from './ip-address.ts';
import type { FieldCodec } from './span-table.ts';

const key = {
  address: attributeKey('network.peer.address'),
  port: attributeKey('network.peer.port'),
  clientAddress: attributeKey('client.address'),
  serverAddress: attributeKey('server.address'),
  serverPort: attributeKey('server.port'),
} as const;

const inet = 2;
const inet6 = 10;

/** The peer of a client. */
export const socketPeer: FieldCodec = (record, field, out) => {
  const { slab } = record;
  const at = record.at(field);
  const address = addressAt(slab, at, record.length(field));
  if (address === undefined) return;
  out.text(key.address, address);
  out.int(key.port, portAt(slab, at));
};

/** The same if the protocol names no server: the address that the program connected to. */
export const socketServer: FieldCodec = (record, field, out) => {
  const { slab } = record;
  const at = record.at(field);
  const address = addressAt(slab, at, record.length(field));
  if (address === undefined) return;
  out.text(key.serverAddress, address);
  out.int(key.serverPort, portAt(slab, at));
  socketPeer(record, field, out);
};

/** The peer of a server, which is the client. */
export const socketClient: FieldCodec = (record, field, out) => {
  const address = addressAt(record.slab, record.at(field), record.length(field));
  if (address !== undefined) out.text(key.clientAddress, address);
  socketPeer(record, field, out);
};

/** Recent addresses, by a hash of their words. Most spans have the peer of some span before. */
const cacheSlots = 256;
const wordsOf = new Uint32Array(cacheSlots * 5);
const textOf: (string | undefined)[] = new Array(cacheSlots).fill(undefined);

/** The address as text. Undefined if it is unknown. */
function addressAt({ bytes, words }: Slab, at: number, length: number): string | undefined {
  if (length !== NodePeer.size) return undefined;
  const family = words[(at + NodePeer.family) >> 2]! >>> 16;
  const word = (at + NodePeer.address) >> 2;
  const a = words[word]!;
  const b = words[word + 1]!;
  const c = words[word + 2]!;
  const d = words[word + 3]!;
  const slot = Math.imul(a ^ b ^ c ^ d ^ family, 0x9e3779b1) >>> 24;
  const cached = slot * 5;
  if (
    wordsOf[cached] === a &&
    wordsOf[cached + 1] === b &&
    wordsOf[cached + 2] === c &&
    wordsOf[cached + 3] === d &&
    wordsOf[cached + 4] === family
  ) {
    return textOf[slot];
  }
  wordsOf[cached] = a;
  wordsOf[cached + 1] = b;
  wordsOf[cached + 2] = c;
  wordsOf[cached + 3] = d;
  wordsOf[cached + 4] = family;
  const address = at + NodePeer.address;
  const text = family === inet ? ipv4Text(bytes, address) : family === inet6 ? ipv6Text(bytes, address) : undefined;
  textOf[slot] = text;
  return text;
}

function portAt({ words }: Slab, at: number): number {
  return words[(at + NodePeer.port) >> 2]! & 0xffff;
}
