import type { KernelNeed } from '../../contract/decision.ts';
import { type FeatureName, loadNative } from '../../native.ts';

export type { FeatureName };

export interface Feature {
  readonly name: FeatureName;
  /** Nothing works without it. For other features, `without` says what is lost. */
  readonly required: boolean;
  readonly without: string;
  readonly supported: boolean;
  /** Why it is missing: what was tried, and the error. */
  readonly detail: string;
}

const wanted: readonly { name: FeatureName; required: boolean; without: string }[] = [
  { name: 'btf', required: true, without: 'programs cannot be fitted to this kernel (CONFIG_DEBUG_INFO_BTF)' },
  { name: 'ringbuf', required: true, without: 'no way out for spans (Linux 5.8)' },
  { name: 'attachCookie', required: true, without: 'probes cannot be told apart (Linux 5.15)' },
  { name: 'uprobeMulti', required: false, without: 'one perf link a site: slower to attach and detach (Linux 6.6)' },
  { name: 'bpfLoop', required: false, without: 'no spans of Node.js and USDT probes (Linux 5.17)' },
  { name: 'rawTracepoint', required: false, without: 'new processes are found by re-scanning only' },
  { name: 'iterTaskVma', required: false, without: 'a file shared by containers may be attached twice (Linux 5.12)' },
  {
    name: 'copyFromUserStr',
    required: false,
    without: 'texts of USDT probes on pages not in memory are marked as unreadable (Linux 6.12)',
  },
];

/** What the running kernel can, by trying it. */
export function kernelFeatures(): Feature[] {
  const native = loadNative();
  return wanted.map((feature) => ({ ...feature, ...native.probeFeature(feature.name) }));
}

/** Every feature that a definition can need. */
const needs: readonly KernelNeed[] = ['bpfLoop'];

/** What definitions need and this kernel lacks. Without the capabilities, nothing can be tried, and nothing is known to be missing. */
export function kernelLacks(): readonly KernelNeed[] {
  const native = loadNative();
  const mayTry = native.capabilities().some((name) => name === 'BPF' || name === 'SYS_ADMIN');
  return mayTry ? needs.filter((need) => !native.probeFeature(need).supported) : [];
}

export function libbpfVersion(): string {
  return loadNative().versions().libbpf;
}
