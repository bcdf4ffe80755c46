import type { ProbeDefinition } from '../../contract/decision.ts';
import { goHttpClient } from './go/http-client.ts';
import { goHttpServer } from './go/http-server.ts';
import { goSql } from './go/sql.ts';
import { nodeHttpClient } from './node/http-client.ts';
import { nodeHttpServer } from './node/http-server.ts';
import { nodePg } from './node/pg.ts';
import { nodeSqlite } from './node/sqlite.ts';
import { postgresql } from './postgresql/postgresql.ts';
import { jvmGc } from './usdt/jvm-gc.ts';
import { pythonGc } from './usdt/python-gc.ts';

/** Every library that uspan knows. CONTRIBUTING.md says how to add one. */
export const definitions: readonly ProbeDefinition[] = [
  goHttpServer,
  goHttpClient,
  goSql,
  nodeHttpServer,
  nodeHttpClient,
  nodePg,
  nodeSqlite,
  postgresql,
  jvmGc,
  pythonGc,
];
