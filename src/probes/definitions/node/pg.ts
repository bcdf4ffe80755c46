import type { ProbeDefinition } from '../../../contract/decision.ts';
import { spanWriter } from '../../../semconv/span-table.ts';
import { EventKind, NodeRole, OpenSpanKey } from '../../layout.gen.ts';
import { openSpans } from '../../open-spans.ts';
import { nodePgSpan } from './pg-span.ts';
import {
  hasNodeSockets,
  nodeConnections,
  nodeConstants,
  nodeEntries,
  nodeLongFields,
  nodePoints,
  nodeSockets,
} from './sockets.ts';

const inFlight = 'node_pg_in_flight';

/** Statements that Node.js programs send to PostgreSQL (`pg` and what is built on it), by the messages that pass through their sockets. */
export const nodePg = {
  name: 'node/pg',
  library: 'pg',
  versions: 'Node.js 18 – 26, official builds',
  runtime: 'node',
  hitsPerSpan: 2,
  object: 'node_pg',
  program: 'node_pg',
  group: { ...nodeSockets, role: NodeRole.PG },
  needs: ['bpfLoop'],
  configMap: 'node_configs',
  inFlight: [
    openSpans(inFlight, EventKind.NODE_SQL),
    { map: 'node_pg_connections', pidOffset: OpenSpanKey.pid, activeOffset: 'none', swept: undefined },
    nodeConnections,
    nodeLongFields,
  ],
  entriesPerRequest: { ...nodeEntries, node_pg_connections: 2, [inFlight]: 2 },
  lruEntriesPerRequest: { node_statements: 1 / 32 },
  recordKinds: [EventKind.NODE_SQL],
  points: [nodePoints.write, nodePoints.read, nodePoints.close, nodePoints.tlsWrite, nodePoints.connect],
  matches: hasNodeSockets,
  constants: nodeConstants,
  write: spanWriter(nodePgSpan),
} as const satisfies ProbeDefinition;
