import { readFileSync, writeFileSync } from 'node:fs';

const file = '/proc/sys/kernel/bpf_stats_enabled';

/**
 * Makes the kernel time every run of a BPF program (sysctl kernel.bpf_stats_enabled) while `measure` runs, and then restores the setting.
 */
export async function withBpfStatistics<T>(measure: () => Promise<T>): Promise<T> {
  const before = readFileSync(file, 'utf8');
  const restore = () => writeFileSync(file, before);
  const interrupted = () => {
    restore();
    process.exit(130);
  };
  writeFileSync(file, '1');
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  try {
    return await measure();
  } finally {
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
    restore();
  }
}
