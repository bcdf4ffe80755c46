import type { RunningProcess } from '../../test/support/process.ts';

/** How the server is traced: not at all, by uspan from outside, or by the OpenTelemetry SDK from within. */
export const columns = ['bare', 'uspan', 'sdk'] as const;
export type Column = (typeof columns)[number];

/** A server in three forms, which prints `listening ADDRESS`, and at its end `handled COUNT`. */
export interface Contest {
  /** Of the request that is measured. */
  readonly path: string;
  /** Seconds before it is measured. A program that compiles itself as it runs needs longer. */
  readonly warmUpSeconds: number;
  /** Starts a form of it. `env` tells the SDK where to export. */
  start(column: Column, env: Readonly<Record<string, string | undefined>>): Promise<RunningProcess>;
}
