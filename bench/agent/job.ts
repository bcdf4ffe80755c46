/** How far records go: read and dropped; encoded and dropped; made into requests and dropped; sent. Each stage includes those before it. */
export const stages = ['decode', 'write', 'batch', 'send'] as const;
export type Stage = (typeof stages)[number];

/** The job of bench/agent/replay.ts: its only argument, as JSON. */
export interface ReplayJob {
  /** The agent's compiled modules. */
  readonly dist: string;
  readonly recording: string;
  readonly stage: Stage;
  readonly protocol: 'grpc' | 'http/protobuf';
  readonly endpoint: string;
  readonly records: number;
  readonly ratePerSecond: number;
  /** Where a CPU profile goes. Absent: no profile. */
  readonly profile?: string;
}

export interface ReplayResult {
  /** User and system time, of all threads. */
  readonly cpuNsPerSpan: number;
  readonly systemNsPerSpan: number;
  /** Garbage collection, of all CPU time: 0 to 1. */
  readonly gcShare: number;
  /** Without the recording. */
  readonly peakRssMiB: number;
  readonly seconds: number;
  readonly lost: number;
}
