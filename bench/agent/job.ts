/** How far records go: written to nobody; encoded and dropped; made into requests that nobody sends; sent. Each has the ones before in it. */
export const stages = ['decode', 'write', 'batch', 'send'] as const;
export type Stage = (typeof stages)[number];

/** What bench/agent/replay.ts is to do: its only argument, as JSON. */
export interface ReplayJob {
  /** The agent's compiled modules. */
  readonly dist: string;
  readonly recording: string;
  readonly stage: Stage;
  readonly protocol: 'grpc' | 'http/protobuf';
  readonly endpoint: string;
  readonly records: number;
  readonly ratePerSecond: number;
  /** Where a CPU profile goes; absent: nowhere. */
  readonly profile?: string;
}

export interface ReplayResult {
  /** User and system, all threads. */
  readonly cpuNsPerSpan: number;
  readonly systemNsPerSpan: number;
  /** Garbage collection, of all CPU time: 0 to 1. */
  readonly gcShare: number;
  /** Without the recording. */
  readonly peakRssMiB: number;
  readonly seconds: number;
  readonly lost: number;
}
