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
const away: SendResult = {
  outcome: 'failed',
  retry: true,
  retryAfterMs: undefined,
  failure: { status: 'AWAY', detail: '' },
};
const took: SendResult = { outcome: 'sent', rejected: 0, message: '' };
const refused = (tooLarge: boolean): SendResult => {
  return { outcome: 'failed', retry: false, tooLarge, failure: { status: 'NO', detail: 'so it is' } };
};

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** An exporter to a collector that answers after 10 ms, as `answer` says. */
function exporterTo(answer: (bytes: Uint8Array) => SendResult, limits: Partial<BatchSettings> = {}) {
  const notices: unknown[] = [];
  const notify = (level: string, message: string, details: object): void =>
    void notices.push([level, message, details]);
  const names: string[] = [];
  const attempts: number[] = [];
  let running = 0;
  let mostRunning = 0;
  const { batch } = readExportSettings({});
  const losses = new Losses(notify);
  const exporter = new SpanExporter({
    transport: {
      endpoint: 'http://collector/v1/traces',
      async send({ bytes }) {
        attempts.push(performance.now());
        running++;
        mostRunning = Math.max(mostRunning, running);
        await new Promise((resolve) => setTimeout(resolve, 10));
        running--;
        const result = answer(bytes);
        if (result.outcome === 'sent') names.push(...decodeExportRequest(bytes).map(({ name }) => name));
        return result;
      },
      async close() {},
    },
    scope,
    batch: { ...batch, ...limits },
    losses,
    notify,
  });
  let written = 0;
  return {
    exporter,
    losses,
    notices,
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
    // Once per pause, not once per batch: with pauses of 3.5 s there are some 86, and a few more at first.
    expect(attempts.length).toBeGreaterThan(60);
    expect(attempts.length).toBeLessThan(115);
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
    const answers: SendResult[] = [away, refused(false)];
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

describe('a request that is too large', () => {
  const limit = 50_000;
  const upToLimit = (bytes: Uint8Array) => (bytes.length > limit ? refused(true) : took);

  test('goes in parts, each span once and in its order, and the next ones are split before they are sent', async () => {
    const { exporter, losses, names, attempts, write } = exporterTo(upToLimit, { maxConcurrentExports: 1 });
    write(1000);
    await vi.advanceTimersByTimeAsync(5000);
    expect(names).toEqual(counted(0, 1000));
    expect(losses.total()).toBe(0);
    expect(exporter.state()).toMatchObject({ accepted: 1000, exported: 1000, queuedSpans: 0, queuedBytes: 0 });
    const { failedRequests } = exporter.state();
    expect(failedRequests).toBeGreaterThan(0);
    expect(attempts.length).toBeLessThan(2 * 16);
    write(1000);
    await vi.advanceTimersByTimeAsync(5000);
    expect(names).toEqual(counted(0, 2000));
    expect(exporter.state()).toMatchObject({ failedRequests, queuedBytes: 0 });
  });

  test('goes in parts also while an older one waits for its next attempt', async () => {
    const answers = [away, away, away];
    const { exporter, names, write } = exporterTo((bytes) => answers.shift() ?? upToLimit(bytes), {
      maxBatchSpans: 300,
    });
    write(1000);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(names.toSorted((a, b) => Number(a) - Number(b))).toEqual(counted(0, 1000));
    expect(exporter.state()).toMatchObject({ exported: 1000, queuedSpans: 0, queuedBytes: 0 });
  });

  test('is lost where a collector says so of every request, once, and after few attempts', async () => {
    const { exporter, losses, attempts, write } = exporterTo(() => refused(true));
    write(1000);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(losses.snapshot()).toEqual([{ stage: 'export', reason: 'failed', count: 1000 }]);
    expect(exporter.state()).toMatchObject({ exported: 0, queuedSpans: 0, queuedBytes: 0 });
    expect(attempts.length).toBeLessThan(100);
  });
});

describe('what the log says', () => {
  const endpoint = 'http://collector/v1/traces';
  const failing = (status: string) => ['warn', 'cannot export spans', { code: 'E_EXPORT', endpoint, status }];

  test('of an outage: code, endpoint and status, once for each status, and its end', async () => {
    const other: SendResult = { ...away, failure: { status: 'HTTP 503', detail: '' } } as SendResult;
    const answers = [away, away, other, away, other];
    const { notices, write } = exporterTo(() => answers.shift() ?? took);
    write(10);
    await vi.advanceTimersByTimeAsync(60_000);
    const again = ['info', 'the collector takes spans again', { endpoint }];
    expect(notices).toEqual([failing('AWAY'), failing('HTTP 503'), again]);
  });

  test('of losses: they have ended only when a span was delivered again', async () => {
    let answer: SendResult = away;
    const { notices, write } = exporterTo(() => answer, { maxQueueSpans: 10, maxBatchSpans: 10 });
    const told = () => notices.map((notice) => (notice as [string, string])[1]).filter((text) => /losing/.test(text));
    write(30);
    await vi.advanceTimersByTimeAsync(120_000);
    expect(told()).toEqual(['losing spans']);
    answer = { outcome: 'sent', rejected: 10, message: 'not yours' };
    await vi.advanceTimersByTimeAsync(60_000);
    expect(told()).toEqual(['losing spans', 'losing spans']);
    answer = took;
    write(10);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(told().slice(2)).toEqual(['no longer losing spans', 'no longer losing spans']);
  });

  test('of a partial success: the words of the collector, once a minute, with nothing that drives a terminal', async () => {
    const { notices, write } = exporterTo(() => ({ outcome: 'sent', rejected: 3, message: 'too \u009b old' }));
    for (let second = 0; second < 50; second++) {
      write(10);
      await vi.advanceTimersByTimeAsync(1000);
    }
    const details = { code: 'E_EXPORT', endpoint, rejected: 3, message: 'too \\x9b old' };
    expect(notices.filter((notice) => (notice as [string, string])[1] !== 'losing spans')).toEqual([
      ['warn', 'the collector rejects spans', details],
    ]);
  });
});

test('pauses grow from one second to three and a half, two fifths of them by chance, and never reach five', () => {
  const pauses = (random: number) => [1, 2, 3, 4, 5, 50].map((failures) => retryPauseMs(failures, undefined, random));
  expect(pauses(0.5)).toEqual([1000, 1500, 2250, 3375, 3500, 3500]);
  expect(pauses(0)).toEqual([800, 1200, 1800, 2700, 2800, 2800]);
  expect(Math.max(...pauses(1))).toBeLessThan(4500);
  expect(retryPauseMs(1, 7000, 0.9)).toBe(7000);
  expect(retryPauseMs(1, 0, 0.9)).toBe(200);
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
