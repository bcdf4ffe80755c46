/** What programs need to know of a Go binary, for any of its libraries. */
import type { Binary } from '../../../contract/binary.ts';
import { Constant, GoBinary } from '../../layout.gen.ts';
import { goErrors, goErrorWrappers } from './errors.ts';
import { goLinkConfig } from './link.ts';
import { goMapLayout } from './map-layout.ts';

/** It is the same for all definitions, and making it takes a walk through the binary's functions and types. */
const known = new WeakMap<Binary, GoFacts>();

export interface GoFacts {
  /** `struct uspan_go_binary`. A field that the binary does not describe is FIELD_ABSENT. Without a map layout, its kind is 0. */
  readonly goBinary: Uint8Array;
  /** What spans lack because of it. */
  readonly notes: readonly string[];
}

/** What all definitions of a binary share. It is the same object each time. */
export function goFacts(binary: Binary): GoFacts {
  const before = known.get(binary);
  if (before) return before;
  const { bytes: link, unknownContexts } = goLinkConfig(binary);
  const wrappers = binary.go && goErrorWrappers(binary.go.types);
  const notes: string[] = [];
  if (unknownContexts > 0) {
    notes.push(`contexts of ${unknownContexts} types are not followed: there are too many types of them`);
  }
  if (wrappers && wrappers.leftOut > 0) {
    notes.push(`errors inside those of ${wrappers.leftOut} types are not looked at: there are too many types of them`);
  }
  const facts = { goBinary: encode(binary, link, wrappers), notes };
  known.set(binary, facts);
  return facts;
}

function encode(
  binary: Binary,
  link: Uint8Array,
  wrappers: ReturnType<typeof goErrorWrappers> | undefined,
): Uint8Array {
  const bytes = new Uint8Array(GoBinary.size);
  const view = new DataView(bytes.buffer);
  bytes.set(link, GoBinary.link);
  const types = binary.go?.types;
  const parent = types?.field('context.cancelCtx', 'Context')?.flatOffset;
  view.setUint16(GoBinary.cancelCtxParent, parent === undefined ? Constant.FIELD_ABSENT : parent + 8, true);
  if (!types) return bytes;
  const map = types.headerMap();
  if (map) bytes.set(goMapLayout(map), GoBinary.map);
  view.setBigUint64(GoBinary.types, BigInt(types.start), true);
  view.setUint32(GoBinary.timerCtxHash, types.hash('*context.timerCtx') ?? 0, true);
  bytes.set(goErrors(types), GoBinary.errors);
  if (wrappers) bytes.set(wrappers.bytes, GoBinary.wrappers);
  view.setUint16(GoBinary.wrapperCount, wrappers?.count ?? 0, true);
  return bytes;
}
