/** What the definitions of Node.js's sockets share: places, offsets in its C++ objects, and the group that attaches them together. */
import type { Binary } from '../../../contract/binary.ts';
import type { AttachmentGroup, Constants, InFlight, Point } from '../../../contract/decision.ts';
import { Constant, NodeConfig, NodeMoment, OpenSpanKey } from '../../layout.gen.ts';
import { returnedConstant } from '../../sites/accessors.ts';

/**
 * Servers and clients of every protocol write through the same functions, and each function has one probe. Its program, `node_core`, knows
 * each connection's role and tail-calls that role's program (bpf/node/node_core.bpf.c).
 */
export const nodeSockets: AttachmentGroup = {
  name: 'node/sockets',
  object: 'node_core',
  program: 'node_core',
  probesOffset: NodeConfig.probes,
};

/** Connections with a known peer or role, of any role. */
export const nodeConnections: InFlight = {
  map: 'node_connections',
  pidOffset: OpenSpanKey.pid,
  activeOffset: 'none',
  swept: undefined,
};

/** Fields that do not fit into the entry of a request. */
export const nodeLongFields: InFlight = {
  map: 'node_long_fields',
  pidOffset: OpenSpanKey.pid,
  activeOffset: 'none',
  swept: undefined,
};

/**
 * Entries for each request in flight. One of the two spans is for a finished request of a connection that stays open. Many connections have
 * no request in flight. Few requests have long fields.
 */
export const nodeEntries = { node_connections: 4, node_long_fields: 1 } as const;

/** Only entries: a return probe on a function that V8 calls aborts the process when JavaScript throws. */
export const nodePoints = {
  write: {
    moment: NodeMoment.WRITE,
    name: 'write',
    place: { at: 'nativeEntry', function: 'uv_try_write', arguments: [0, 1, 2] },
    required: true,
    purpose: 'what servers and clients send',
  },
  close: {
    moment: NodeMoment.CLOSE,
    name: 'close',
    place: { at: 'nativeEntry', function: 'uv_close', arguments: [0] },
    required: true,
    purpose: 'the end of every connection',
  },
  tlsWrite: {
    moment: NodeMoment.TLS_WRITE,
    name: 'tls_write',
    place: { at: 'nativeEntry', function: '_ZN4node6crypto7TLSWrap7DoWriteE', arguments: [0, 2, 3] },
    required: false,
    purpose: 'HTTPS and TLS to a database',
  },
  read: {
    moment: NodeMoment.READ,
    name: 'read',
    place: {
      at: 'nativeEntry',
      function: '_ZN4node22EmitToJSStreamListener12OnStreamReadE',
      arguments: [0, 1, 2],
    },
    required: true,
    purpose: 'responses and results',
  },
  connect: {
    moment: NodeMoment.CONNECT,
    name: 'connect',
    place: { at: 'nativeEntry', function: 'uv_tcp_connect', arguments: [1, 2] },
    required: false,
    purpose: 'the address of the other end of clients',
  },
} as const satisfies Record<string, Point>;

export function hasNodeSockets(binary: Binary): boolean {
  return binary.symbols.find('llhttp__on_headers_complete') !== undefined;
}

/**
 * Node's classes derive from several others. A virtual function that a later base declares is reached through a thunk, which steps back
 * from that base to the whole object. The name of a thunk says how far (Itanium C++ ABI, §5.1.4.2): `_ZThn104_…` is 104 bytes.
 */
function baseOffset(binary: Binary, method: string): number | undefined {
  const thunk = binary.symbols.findMatching(`_N${method}E`, new RegExp(`^_ZThn\\d+_N${method}E[^.]*$`));
  const digits = thunk && /^_ZThn(\d+)_/.exec(thunk.name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

const streamWrite = '4node15LibuvStreamWrap10DoTryWrite';
const tlsWrite = '4node6crypto7TLSWrap7DoWrite';
const tlsRead = '4node6crypto7TLSWrap12OnStreamRead';

const parserSize = '_ZNK4node11http_parser6Parser8SelfSizeEv';
/** In an anonymous namespace, so it is a local symbol. */
const parserSizeUpTo20 = '_ZNK4node12_GLOBAL__N_16Parser8SelfSizeEv';

/** sizeof(llhttp_t) and two arrays of 32 strings of 24 bytes: see bpf/node/parser.h. */
const urlBehindParser = 0x60 + 2 * 32 * 24;
/** From Node 24 on, there is a buffer for strings in between: 8 KB and its fill level. */
const stringBuffer = 8192 + 8;

export function nodeConstants(binary: Binary): Constants {
  const streamBase = baseOffset(binary, streamWrite);
  if (streamBase === undefined) return { found: false, missing: 'StreamBase in node::LibuvStreamWrap' };
  const tlsBase = baseOffset(binary, tlsWrite);
  const tlsListener = baseOffset(binary, tlsRead);
  const parser = parserBytes(binary);
  const notes = binary.stripped ? ['by dynamic symbols alone: the symbol table was stripped'] : [];
  if (tlsBase === undefined || tlsListener === undefined) notes.push('without TLS: no thunks of node::crypto::TLSWrap');
  const view = new DataView(new ArrayBuffer(NodeConfig.size));
  for (let role = 0; role < Constant.NODE_PROBES; role++)
    view.setUint16(NodeConfig.probes + 2 * role, Constant.FIELD_ABSENT, true);
  view.setUint16(NodeConfig.streamBase, streamBase, true);
  view.setUint16(NodeConfig.tlsBase, tlsBase ?? 0, true);
  view.setUint16(NodeConfig.tlsListener, tlsListener ?? 0, true);
  view.setUint16(NodeConfig.parserUrl, urlBehindParser + (parser > stringBuffer ? stringBuffer : 0), true);
  return { found: true, bytes: new Uint8Array(view.buffer), notes };
}

/** sizeof(Parser), which its SelfSize() returns. 0 if the symbol was stripped, which is possible only up to Node 20. */
function parserBytes(binary: Binary): number {
  const selfSize = binary.symbols.find(parserSize) ?? binary.symbols.find(parserSizeUpTo20);
  return (selfSize && returnedConstant(binary, selfSize)) ?? 0;
}
