/**
 * Longest wait for a connection, in ms. A host that comes back does not answer what was sent to it before, and the kernel repeats that ever
 * more rarely (after 1, 3, 7 s). So a fresh attempt finds it sooner than an old one.
 * @param timeoutMs what the settings allow
 */
export function longestConnectMs(timeoutMs: number): number {
  return Math.min(timeoutMs, 4000);
}
