import type { ProbeDefinition } from '../../../contract/decision.ts';
import { httpServerSpan } from '../../../semconv/http-server.ts';
import { spanWriter } from '../../../semconv/span-table.ts';
import { EventKind, NodeMoment, NodeRole } from '../../layout.gen.ts';
import { openSpans } from '../../open-spans.ts';
import {
  hasNodeSockets,
  nodeConnections,
  nodeConstants,
  nodeEntries,
  nodeLongFields,
  nodePoints,
  nodeSockets,
} from './sockets.ts';

const inFlight = 'node_http_server_in_flight';

/** Node.js's HTTP/1 servers (`http`, `https` and what is built on them), by the parser and by what they write. */
export const nodeHttpServer = {
  name: 'node/http/server',
  library: 'http, https (server, HTTP/1.x)',
  versions: 'Node.js 18 – 26, official builds',
  runtime: 'node',
  servesTcp: true,
  hitsPerSpan: 2,
  object: 'node_http_server',
  program: 'node_http_server',
  group: { ...nodeSockets, role: NodeRole.SERVER },
  needs: ['bpfLoop'],
  configMap: 'node_configs',
  inFlight: [openSpans(inFlight, EventKind.NODE_HTTP_SERVER), nodeConnections, nodeLongFields],
  entriesPerRequest: { ...nodeEntries, [inFlight]: 2 },
  recordKinds: [EventKind.NODE_HTTP_SERVER],
  points: [
    {
      moment: NodeMoment.REQUEST,
      name: 'request',
      place: { at: 'nativeEntry', function: 'llhttp__on_headers_complete', arguments: [0] },
      program: 'node_http_server',
      required: true,
      purpose: 'the start of every request to a server',
    },
    nodePoints.write,
    nodePoints.close,
    nodePoints.tlsWrite,
  ],
  matches: hasNodeSockets,
  constants: nodeConstants,
  // Without a status, nothing was sent.
  write: spanWriter(httpServerSpan({ implicitStatus: 0 })),
} as const satisfies ProbeDefinition;
