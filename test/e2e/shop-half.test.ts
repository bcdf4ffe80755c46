/** The example shop where its Go half is not built: what `make demo` shows on a machine without Go. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { requestOnce } from '../support/http.ts';
import { startProcess } from '../support/process.ts';

const root = join(import.meta.dirname, '..', '..');

test('without Go, the shop sells quotes and is visited', async () => {
  execFileSync('make', ['-C', join(root, 'examples/node-app')], { stdio: 'ignore' });
  const args = [join(root, 'examples/shop/main.mjs'), '--no-go', '--no-postgres', '--load', '50/s'];
  const shop = await startProcess(process.execPath, args, { lifeline: true });
  try {
    await shop.waitForLine(/^ready$/);
    const parts = shop.stdout().trim().split('\n');
    expect(parts.map((line) => line.split(' ')[0])).toEqual(['inventory', 'pricing', 'load', 'ready']);

    const port = Number(/:(\d+)$/.exec(parts[1]!)![1]);
    const quote = async (productId: number) => {
      const body = JSON.stringify({ productId, quantity: 2, unitCents: 500 });
      const { status, body: answer } = await requestOnce(port, {
        method: 'POST',
        target: '/quotes',
        headers: { 'Content-Type': 'application/json' },
        body,
      });
      return { status, ...(JSON.parse(answer.toString()) as { number?: number; message?: string }) };
    };
    const first = await quote(1);
    expect(first.status).toBe(201);
    expect(await quote(999)).toMatchObject({ status: 404, message: 'no such product' });
    // Quotes are numbered: another number than the next one is a quote of the load's.
    let last = first.number!;
    for (let gap = 1; gap === 1; ) {
      const { number } = await quote(1);
      gap = number! - last;
      last = number!;
    }
  } finally {
    expect(await shop.stop()).toEqual({ code: 0, signal: null });
  }
});
