import { randomBytes } from 'node:crypto';
import { Config, Constant, ProbeHead, Sampler } from '../layout.gen.ts';

/** How to choose requests without a remote parent's decision: OpenTelemetry's standard samplers. */
export interface SamplerConfig {
  readonly kind: 'always_on' | 'always_off' | 'traceidratio';
  /** A remote parent's decision is followed. */
  readonly parentBased: boolean;
  /** 0 to 1, for traceidratio. */
  readonly ratio: number;
}

export interface KernelConfig {
  readonly sampler: SamplerConfig;
  /** Requests in flight, over all processes. */
  readonly maxInFlight: number;
  /** Longest request target that is kept, at most 8192. */
  readonly maxPathBytes: number;
  /** Longest SQL text that is kept, at most 8192. */
  readonly maxStatementBytes: number;
  /** Power of two, a multiple of the page size. */
  readonly ringBytes: number;
}

const samplers = {
  always_on: Sampler.ALWAYS_ON,
  always_off: Sampler.ALWAYS_OFF,
  traceidratio: Sampler.RATIO,
} as const;

/** `struct uspan_config`. */
export function encodeKernelConfig(config: KernelConfig): Uint8Array {
  const bytes = new Uint8Array(Config.size);
  const view = new DataView(bytes.buffer);
  bytes.set(randomBytes(8), Config.idSeed);
  view.setBigUint64(Config.wakeBytes, BigInt(config.ringBytes >> 2), true);
  view.setUint32(Config.inFlightKeep, config.maxInFlight, true);
  return bytes;
}

/** `struct uspan_probe_head`: how to choose and cut the spans of one attachment. `binary` is its row in the map go_binaries. */
export function encodeProbeHead(config: KernelConfig, filterByProcess: boolean, binary = 0): Uint8Array {
  const { sampler, maxPathBytes, maxStatementBytes } = config;
  const bytes = new Uint8Array(ProbeHead.size);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(ProbeHead.ratioThreshold, BigInt(Math.floor(sampler.ratio * 2 ** 63)), true);
  view.setUint32(ProbeHead.filterByProcess, filterByProcess ? 1 : 0, true);
  view.setUint32(ProbeHead.sampler, samplers[sampler.kind], true);
  view.setUint32(ProbeHead.parentBased, sampler.parentBased ? 1 : 0, true);
  view.setUint32(ProbeHead.maxTargetBytes, Math.min(maxPathBytes, Constant.TARGET_MAX_BYTES), true);
  view.setUint32(ProbeHead.maxStatementBytes, Math.min(maxStatementBytes, Constant.STATEMENT_MAX_BYTES), true);
  view.setUint32(ProbeHead.binary, binary, true);
  return bytes;
}
