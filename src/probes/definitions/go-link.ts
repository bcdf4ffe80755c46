/** What common/go_link.h has to know of a binary, to find the request that a call is made for. */
import type { Binary, SymbolTable } from '../../contract/binary.ts';
import { Constant, GoLinkConfig, GoTextRange } from '../layout.gen.ts';

/**
 * Packages whose goroutines serve whoever comes next (connections being dialled, read and written, pools being kept up), by a function
 * of each. One that a handler happened to start does not work for its request.
 */
const runtimePackages = [
  ['net/http', 'net/http.(*Transport).roundTrip'],
  ['net/http/internal/http2', 'net/http/internal/http2.(*ClientConn).readLoop'],
  ['golang.org/x/net/http2', 'golang.org/x/net/http2.(*ClientConn).readLoop'],
  ['database/sql', 'database/sql.(*DB).connectionOpener'],
] as const;

/** Functions of a package, as a bound on a walk. */
const maxFunctions = 20_000;

/** `struct uspan_go_link_config`. */
export function goLinkConfig(binary: Binary): Uint8Array {
  const bytes = new Uint8Array(GoLinkConfig.size);
  const view = new DataView(bytes.buffer);
  runtimePackages.forEach(([name, member], index) => {
    const range = packageRange(binary.symbols, name, member);
    const at = GoLinkConfig.runtimePackages + index * GoTextRange.size;
    view.setBigUint64(at + GoTextRange.start, BigInt(range?.start ?? 0), true);
    view.setBigUint64(at + GoTextRange.end, BigInt(range?.end ?? 0), true);
  });
  for (const [field, name] of [
    ['gGoid', 'goid'],
    ['gParentGoid', 'parentGoid'],
    ['gStartpc', 'startpc'],
  ] as const) {
    const offset = binary.go?.types.field('runtime.g', name)?.flatOffset ?? Constant.FIELD_ABSENT;
    view.setUint16(GoLinkConfig[field], offset, true);
  }
  return bytes;
}

/** The linker puts a package's functions side by side. */
function packageRange(symbols: SymbolTable, name: string, member: string): { start: number; end: number } | undefined {
  const first = symbols.find(member);
  if (!first) return undefined;
  let { address: start } = first;
  let end = first.address + first.sizeBytes;
  for (let count = 0; count < maxFunctions; count++) {
    const before = symbols.at(start - 1);
    if (!before?.name.startsWith(`${name}.`) || before.address >= start) break;
    start = before.address;
  }
  for (let count = 0; count < maxFunctions; count++) {
    const next = symbols.at(end);
    if (!next?.name.startsWith(`${name}.`) || next.sizeBytes === 0) break;
    end = next.address + next.sizeBytes;
  }
  return { start, end };
}
