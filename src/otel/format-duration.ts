const units = [
  ['ns', 1],
  ['µs', 1e3],
  ['ms', 1e6],
  ['s', 1e9],
] as const;

/** `ns` for people, in three significant digits: `850 ns`, `12.4 ms`, `1.23 s`, `2 min 5 s`. */
export function formatDuration(ns: number): string {
  if (ns >= 59_950_000_000) {
    const seconds = Math.round(ns / 1e9);
    return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  }
  // 999.5 µs and above would round to 1000 µs, so use the next unit.
  const [unit, scale] = units.find(([, scale]) => ns < 999.5 * scale) ?? units[3];
  const value = ns / scale;
  const decimals = scale === 1 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(decimals)} ${unit}`;
}
