/**
 * Byte offsets of `struct uspan_span_head` (bpf/event.h), for code that may not import the generated layout of src/probes.
 * test/unit/otel-span-head.test.ts checks them against that layout. Records are 8-byte aligned in a slab.
 */
export const spanHead = {
  /** u64, CLOCK_MONOTONIC: the end of the span. */
  endKtimeNs: 0,
  /** u64, CLOCK_MONOTONIC. */
  startKtimeNs: 24,
  /** 16 bytes, W3C order. */
  traceId: 32,
  /** 8 bytes, W3C order. */
  spanId: 48,
  /** 8 bytes; all zero means a root. */
  parentSpanId: 56,
  /** u32: OTLP `Span.flags`, unchanged (bits 0–7 W3C flags, 8 has-is-remote, 9 is-remote). */
  traceFlags: 64,
  /** u32: `enum uspan_span_flag`. */
  spanFlags: 68,
  /** sizeof(struct uspan_span_head). */
  bytes: 72,
} as const;
