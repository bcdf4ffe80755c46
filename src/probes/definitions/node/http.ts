import type { Binary } from '../../../contract/binary.ts';
import type { Constants, ProbeDefinition } from '../../../contract/decision.ts';
import { EventKind, NodeConfig, NodeConnection, NodeKey, NodeMoment } from '../../layout.gen.ts';
import { returnedConstant } from '../../sites/accessors.ts';
import { writeNodeSpan } from './span.ts';

/**
 * HTTP/1 servers and clients (`http`, `https`, `fetch`) and PostgreSQL (`pg`) in Node.js, by what passes through its sockets: six
 * functions of Node and its libuv and llhttp, at their entries. No return probe may ever be used here: one on a function that V8 calls
 * aborts the process when JavaScript throws.
 */
export const nodeHttp = {
  name: 'node/http',
  library: 'http, https, fetch (HTTP/1.x) and pg',
  versions: 'Node.js 18 – 26, official builds',
  runtime: 'node',
  hitsPerSpan: 2,
  object: 'node_http',
  program: 'node_http',
  needs: ['bpfLoop'],
  configMap: 'node_configs',
  inFlight: [
    {
      map: 'node_connections',
      pidOffset: NodeKey.pid,
      activeOffset: NodeConnection.active,
      swept: undefined,
    },
    { map: 'node_waiting', pidOffset: NodeKey.pid, activeOffset: undefined, swept: undefined },
  ],
  entriesPerRequest: { node_connections: 4, node_waiting: 1 },
  lruEntriesPerRequest: { node_statements: 1 / 16 },
  recordKinds: [EventKind.NODE_HTTP_SERVER, EventKind.NODE_HTTP_CLIENT, EventKind.NODE_SQL],
  points: [
    {
      moment: NodeMoment.REQUEST,
      name: 'request',
      place: { at: 'nativeEntry', function: 'llhttp__on_headers_complete', arguments: [0] },
      required: true,
      purpose: 'the start of every request to a server',
    },
    {
      moment: NodeMoment.WRITE,
      name: 'write',
      place: { at: 'nativeEntry', function: 'uv_try_write', arguments: [0, 1, 2] },
      required: true,
      purpose: 'responses of servers and requests of clients',
    },
    {
      moment: NodeMoment.CLOSE,
      name: 'close',
      place: { at: 'nativeEntry', function: 'uv_close', arguments: [0] },
      required: true,
      purpose: 'the end of every connection',
    },
    {
      moment: NodeMoment.TLS_WRITE,
      name: 'tls_write',
      place: { at: 'nativeEntry', function: '_ZN4node6crypto7TLSWrap7DoWriteE', arguments: [0, 2, 3] },
      required: false,
      purpose: 'HTTPS and TLS to a database',
    },
    {
      moment: NodeMoment.READ,
      name: 'read',
      place: {
        at: 'nativeEntry',
        function: '_ZN4node22EmitToJSStreamListener12OnStreamReadE',
        arguments: [0, 1, 2],
      },
      required: false,
      purpose: 'clients: responses and results',
    },
    {
      moment: NodeMoment.CONNECT,
      name: 'connect',
      place: { at: 'nativeEntry', function: 'uv_tcp_connect', arguments: [1, 2] },
      required: false,
      purpose: 'the address of the other end of clients',
    },
  ],
  matches: (binary) => binary.symbols.find('llhttp__on_headers_complete') !== undefined,
  constants,
  write: writeNodeSpan,
} as const satisfies ProbeDefinition;

/**
 * Node's classes derive from several others, and a virtual function that a later base declares is reached through a thunk that steps
 * back from that base to the whole object. The name of a thunk tells how far (Itanium C++ ABI, §5.1.4.2): `_ZThn104_…` is 104 bytes.
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
/** In an anonymous namespace, so a local symbol. */
const parserSizeUpTo20 = '_ZNK4node12_GLOBAL__N_16Parser8SelfSizeEv';

/** sizeof(llhttp_t) and two arrays of 32 strings of 24 bytes: see bpf/node/parser.h. */
const urlBehindParser = 0x60 + 2 * 32 * 24;
/** From Node 24 on there is a buffer for strings in between: 8 KB and its fill level. */
const stringBuffer = 8192 + 8;

function constants(binary: Binary): Constants {
  const streamBase = baseOffset(binary, streamWrite);
  if (streamBase === undefined) return { found: false, missing: 'StreamBase in node::LibuvStreamWrap' };
  const tlsBase = baseOffset(binary, tlsWrite);
  const tlsListener = baseOffset(binary, tlsRead);
  const parser = parserBytes(binary);
  const notes = binary.stripped ? ['by dynamic symbols alone: the symbol table was stripped'] : [];
  if (tlsBase === undefined || tlsListener === undefined) notes.push('without TLS: no thunks of node::crypto::TLSWrap');
  const view = new DataView(new ArrayBuffer(NodeConfig.size));
  view.setUint16(NodeConfig.streamBase, streamBase, true);
  view.setUint16(NodeConfig.tlsBase, tlsBase ?? 0, true);
  view.setUint16(NodeConfig.tlsListener, tlsListener ?? 0, true);
  view.setUint16(NodeConfig.parserUrl, urlBehindParser + (parser > stringBuffer ? stringBuffer : 0), true);
  return { found: true, bytes: new Uint8Array(view.buffer), notes };
}

/** sizeof(Parser), which its SelfSize() returns; 0 where the symbol was stripped, as it can be up to Node 20 only. */
function parserBytes(binary: Binary): number {
  const selfSize = binary.symbols.find(parserSize) ?? binary.symbols.find(parserSizeUpTo20);
  return (selfSize && returnedConstant(binary, selfSize)) ?? 0;
}
