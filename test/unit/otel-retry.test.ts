/** What the exporter does while a collector is away. The test controls the clock and the collector's answers. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { BatchSettings } from '../../src/contract/export-settings.ts';
import { type Resource, SpanKind } from '../../src/contract/span.ts';
import { retryAfterMs, retryInfoMs } from '../../src/otel/export-response.ts';
import { Losses } from '../../src/otel/losses.ts';
import type { SendResult } from '../../src/otel/otlp-transport.ts';
import { retryPauseMs } from '../../src/otel/retry-pause.ts';
import { SpanExporter } from '../../src/otel/span-exporter.ts';
import { decodeExportRequest } from '../support/otlp-decode.ts';
import { slabWith } from '../support/otlp-slab.ts';
import { encodeStatus } from '../support/rpc-status.ts';
import { readExportSettings } from '../support/settings.ts';

const scope = { name: 'uspan', version: '0', schemaUrl: '' };
const shop: Resource = { attributes: { 'service.name': 'shop' } };
const { slab, textAt, textLength } = slabWith({}, 'x'.repeat(300));
const away: SendResult = { outcome: 'failed', retry: true, retryAfterMs: undefined, error: new Error('away') };
const took: SendResult = { outcome: 'sent', rejected: 0 };

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** An exporter to a collector that answers after 10 ms, as `answer` says. */
function exporterTo(answer: () => SendResult, limits: Partial<BatchSettings> = {}) {
  const names: string[] = [];
  const attempts: number[] = [];
  let running = 0;
  let mostRunning = 0;
  const { batch } = readExportSettings({});
  const losses = new Losses();
  const exporter = new SpanExporter({
    transport: {
      async send({ bytes }) {
        attempts.push(performance.now());
        running++;
        mostRunning = Math.max(mostRunning, running);
        await new Promise((resolve) => setTimeout(resolve, 10));
        running--;
        const result = answer();
        if (result.outcome === 'sent') names.push(...decodeExportRequest(bytes).map(({ name }) => name));
        return result;
      },
      async close() {},
    },
    scope,
    batch: { ...batch, ...limits },
    losses,
    notify: () => {},
  });
  let written = 0;
  return {
    exporter,
    losses,
    /** The spans that were taken, in their order. */
    names,
    attempts,
    mostRunning: () => mostRunning,
    /** Spans of some 400 bytes, named by a running number. */
    write(count: number) {
      for (let i = 0; i < count; i++) {
        exporter.writer.begin(slab, 0, shop, SpanKind.server);
        exporter.writer.nameText(String(written++));
        exporter.writer.traceState(slab, textAt, textLength);
        exporter.writer.end();
      }
    },
  };
}

const counted = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => String(from + i));

describe('a collector that is away', () => {
  test('for five minutes at 500 spans a second: nothing is lost, and all arrives in its order', async () => {
    let answer: SendResult = away;
    const { exporter, losses, names, attempts, write, mostRunning } = exporterTo(() => answer);
    for (let second = 0; second < 300; second++) {
      write(500);
      await vi.advanceTimersByTimeAsync(1000);
    }
    expect(exporter.state()).toMatchObject({ accepted: 150_000, exported: 0, queuedSpans: 150_000 });
    // Once per pause, not once per batch: with pauses of 5 s there are some 60, and two at first.
    expect(attempts.length).toBeGreaterThan(40);
    expect(attempts.length).toBeLessThan(90);
    answer = took;
    const flushed = exporter.flush(60_000);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(await flushed).toBe(true);
    expect(names).toEqual(counted(0, 150_000));
    expect(exporter.state()).toMatchObject({ exported: 150_000, queuedSpans: 0, queuedBytes: 0 });
    expect(losses.total()).toBe(0);
    expect(mostRunning()).toBeLessThanOrEqual(2);
  });

  test('for longer than the queue has room: what came first is kept, what came last is dropped and counted', async () => {
    let answer: SendResult = away;
    const { exporter, losses, names, write } = exporterTo(() => answer, { maxQueueSpans: 1000, maxBatchSpans: 100 });
    for (let minute = 0; minute < 60; minute++) {
      write(100);
      await vi.advanceTimersByTimeAsync(60_000);
    }
    expect(exporter.state()).toMatchObject({
      accepted: 1000,
      queuedSpans: 1000,
      lost: { queue_full: 5000, failed: 0 },
    });
    answer = took;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(names).toEqual(counted(0, 1000));
    expect(losses.snapshot()).toEqual([{ stage: 'export', reason: 'queue_full', count: 5000 }]);
    // There is room again.
    write(50);
    await vi.advanceTimersByTimeAsync(2000);
    expect(names).toEqual([...counted(0, 1000), ...counted(6000, 6050)]);
  });

  test('two requests fail together: one pause, then one attempt at a time', async () => {
    const { exporter, attempts, write, mostRunning } = exporterTo(() => away, { maxBatchSpans: 10 });
    write(50);
    await vi.advanceTimersByTimeAsync(10);
    expect(attempts).toHaveLength(2);
    expect(mostRunning()).toBe(2);
    await vi.advanceTimersByTimeAsync(790);
    expect(attempts).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(411);
    expect(attempts).toHaveLength(3);
    expect(exporter.state()).toMatchObject({ queuedSpans: 50, exported: 0 });
  });

  test('a refusal is no outage: what waits goes on', async () => {
    const answers: SendResult[] = [away, { outcome: 'failed', retry: false, error: new Error('bad') }];
    const { exporter, names, write } = exporterTo(() => answers.shift() ?? took, {
      maxBatchSpans: 10,
      maxConcurrentExports: 1,
    });
    write(30);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(names).toEqual(counted(10, 30));
    expect(exporter.state()).toMatchObject({ exported: 20, lost: { failed: 10 }, queuedSpans: 0, queuedBytes: 0 });
  });

  test('and asked for a pause: it gets that pause, for all requests', async () => {
    const answers: SendResult[] = [{ ...away, retryAfterMs: 30_000 } as SendResult];
    const { names, attempts, write } = exporterTo(() => answers.shift() ?? took, { maxBatchSpans: 10 });
    write(10);
    await vi.advanceTimersByTimeAsync(20);
    expect(attempts).toHaveLength(1);
    write(20);
    await vi.advanceTimersByTimeAsync(29_980);
    expect(attempts).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1000);
    expect(names).toEqual(counted(0, 30));
  });

  test('at the end: tried until the deadline, pauses cut short, the rest counted', async () => {
    const { exporter, losses, attempts, write } = exporterTo(() => ({ ...away, retryAfterMs: 60_000 }) as SendResult);
    write(10);
    await vi.advanceTimersByTimeAsync(2000);
    expect(attempts).toHaveLength(1);
    const stopped = exporter.shutdown(2000);
    await vi.advanceTimersByTimeAsync(2000);
    expect(await stopped).toBe(false);
    expect(attempts.length).toBeGreaterThan(5);
    expect(losses.snapshot()).toEqual([{ stage: 'export', reason: 'shutdown_timeout', count: 10 }]);
    expect(exporter.state()).toMatchObject({ accepted: 10, exported: 0, queuedSpans: 0, queuedBytes: 0 });
  });
});

test('pauses grow from one second to five, two fifths of them by chance', () => {
  const pauses = (random: number) => [1, 2, 3, 4, 5, 50].map((failures) => retryPauseMs(failures, undefined, random));
  expect(pauses(0.5)).toEqual([1000, 1500, 2250, 3375, 5000, 5000]);
  expect(pauses(0)).toEqual([800, 1200, 1800, 2700, 4000, 4000]);
  expect(retryPauseMs(1, 7000, 0.9)).toBe(7000);
  expect(retryPauseMs(9, 10 ** 9, 0.9)).toBe(300_000);
});

test.each([
  [undefined, undefined],
  ['0', 0],
  ['120', 120_000],
  [' 5 ', 5000],
  ['soon', undefined],
  ['Thu, 01 Jan 1970 00:00:07 GMT', 2000],
  ['Thu, 01 Jan 1970 00:00:01 GMT', 0],
])('Retry-After: %j is %j ms', (header, ms) => {
  expect(retryAfterMs(header, 5000)).toBe(ms);
});

test('RetryInfo is found in the details of a status', () => {
  expect(retryInfoMs(encodeStatus('busy', 2.5))).toBe(2500);
  expect(retryInfoMs(encodeStatus('busy'))).toBeUndefined();
  expect(retryInfoMs(Uint8Array.of(0x1a, 0xff))).toBeUndefined();
});
