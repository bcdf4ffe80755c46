import { expect, test } from 'vitest';
import { spanHead } from '../../src/contract/span-head.ts';
import { SpanHead } from '../../src/probes/layout.gen.ts';

test('the span head is where the kernel side puts it', () => {
  const {
    size: bytes,
    headKtimeNs: endKtimeNs,
    startKtimeNs,
    traceId,
    spanId,
    parentSpanId,
    traceFlags,
    spanFlags,
  } = SpanHead;
  expect(spanHead).toEqual({ endKtimeNs, startKtimeNs, traceId, spanId, parentSpanId, traceFlags, spanFlags, bytes });
});
