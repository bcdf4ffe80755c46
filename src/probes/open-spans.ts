import type { InFlight } from '../contract/decision.ts';
import { OpenSpan, OpenSpanKey } from './layout.gen.ts';

/** A map that OPEN_SPANS of bpf/span/life.h made, for records of one kind (`enum uspan_event_kind`). */
export function openSpans(map: string, source: number): InFlight {
  return {
    map,
    pidOffset: OpenSpanKey.pid,
    activeOffset: OpenSpan.open,
    startOffset: OpenSpan.headStartKtimeNs,
    swept: { map: 'open_span_swept', index: source },
  };
}
