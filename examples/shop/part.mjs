import { spawn } from 'node:child_process';
import { once } from 'node:events';

const stopWithinMs = 8000;

/**
 * Starts a part of the shop. Its standard input is a lifeline: a part that reads it ends when this process does, however that ends.
 * `exited` reports an unexpected end.
 */
export async function startPart(command, args, env = {}, signal = 'SIGTERM') {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text.slice(0, 65536 - output.length);
  });
  child.stdin.on('error', () => {}); // it ended first
  const closed = once(child, 'close');
  await once(child, 'spawn');
  const exited = closed.then(([code, by]) => ({ failure: `${command} ended with ${by ?? `status ${code}`}` }));

  return {
    pid: child.pid,
    exited,
    /** What the first group matched, once it was printed. */
    async announced(pattern) {
      for (;;) {
        const found = pattern.exec(output);
        if (found) return found[1];
        const end = await Promise.race([once(child.stdout, 'data'), exited]);
        if (end.failure && !pattern.test(output)) throw new Error(end.failure);
      }
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill(signal);
      const late = setTimeout(() => child.kill('SIGKILL'), stopWithinMs);
      await exited;
      clearTimeout(late);
    },
  };
}
