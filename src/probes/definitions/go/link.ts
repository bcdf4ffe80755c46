/** What go/link.h needs to know of a binary, to find the request that a call belongs to. */
import type { Binary, FunctionSymbol, SymbolTable } from '../../../contract/binary.ts';
import { Constant, GoContextWrapper, GoLinkConfig, GoTextRange } from '../../layout.gen.ts';

/**
 * Packages whose goroutines work for all requests (they dial, read and write connections, and look after pools), by a function of each. A
 * handler may happen to start such a goroutine, but it does not work for the handler's request.
 */
const runtimePackages = [
  ['net/http', 'net/http.(*Transport).roundTrip'],
  ['net/http/internal/http2', 'net/http/internal/http2.(*ClientConn).readLoop'],
  ['golang.org/x/net/http2', 'golang.org/x/net/http2.(*ClientConn).readLoop'],
  ['database/sql', 'database/sql.(*DB).connectionOpener'],
] as const;

if (runtimePackages.length > Constant.GO_LINK_PACKAGES) throw new RangeError('too many packages to link by');

/** The goroutine in which http.TimeoutHandler runs a handler (its first function literal, from Go 1.8 on). */
const timeoutHandler = 'net/http.(*timeoutHandler).ServeHTTP.func1';

/** Link-time addresses, without the end. */
interface TextRange {
  readonly start: number;
  readonly end: number;
}

/** Bounds on a walk: all functions, and functions of other packages in a row. */
const maxFunctions = 20_000;
const maxOthers = 200;

/** `struct uspan_go_link_config`, and the number of context types that did not fit into it. */
export function goLinkConfig(binary: Binary): { readonly bytes: Uint8Array; readonly unknownContexts: number } {
  const bytes = new Uint8Array(GoLinkConfig.size);
  const view = new DataView(bytes.buffer);
  const putRange = (at: number, range: TextRange | undefined) => {
    view.setBigUint64(at + GoTextRange.start, BigInt(range?.start ?? 0), true);
    view.setBigUint64(at + GoTextRange.end, BigInt(range?.end ?? 0), true);
  };
  runtimePackages.forEach(([name, member], index) => {
    putRange(GoLinkConfig.runtimePackages + index * GoTextRange.size, packageRange(binary.symbols, name, member));
  });
  const handler = binary.symbols.find(timeoutHandler);
  putRange(
    GoLinkConfig.timeoutHandler,
    handler && { start: handler.address, end: handler.address + handler.sizeBytes },
  );
  const found = (binary.go?.types.contextWrappers() ?? []).flatMap(({ hashes, struct, parent }) =>
    hashes.map((hash) => ({ hash, struct, parent })),
  );
  const wrappers = found.slice(0, Constant.GO_LINK_WRAPPERS);
  wrappers.forEach(({ hash, struct, parent }, index) => {
    const at = GoLinkConfig.wrappers + index * GoContextWrapper.size;
    view.setUint32(at + GoContextWrapper.typeHash, hash, true);
    view.setUint16(at + GoContextWrapper.structPtr, struct ?? Constant.FIELD_ABSENT, true);
    view.setUint16(at + GoContextWrapper.parent, parent, true);
  });
  view.setUint16(GoLinkConfig.wrapperCount, wrappers.length, true);
  view.setUint32(GoLinkConfig.cancelCtxHash, binary.go?.types.hash('*context.cancelCtx') ?? 0, true);
  for (const [field, type, name] of [
    ['gGoid', 'runtime.g', 'goid'],
    ['gParentGoid', 'runtime.g', 'parentGoid'],
    ['gStartpc', 'runtime.g', 'startpc'],
    ['cancelCtxErr', 'context.cancelCtx', 'err'],
  ] as const) {
    const offset = binary.go?.types.field(type, name)?.flatOffset ?? Constant.FIELD_ABSENT;
    view.setUint16(GoLinkConfig[field], offset, true);
  }
  return { bytes, unknownContexts: found.length - wrappers.length };
}

/** The linker puts a package's functions side by side, with some in between that the compiler made for it. */
function packageRange(symbols: SymbolTable, name: string, member: string): TextRange | undefined {
  const first = symbols.find(member);
  if (!first) return undefined;
  const isOwn = (symbol: FunctionSymbol) => symbol.name.startsWith(`${name}.`);
  let { address: start } = first;
  for (const symbol of walk((at) => symbols.at(at.address - 1), first, isOwn)) start = symbol.address;
  let end = first.address + first.sizeBytes;
  for (const symbol of walk((at) => symbols.at(at.address + at.sizeBytes), first, isOwn)) {
    end = symbol.address + symbol.sizeBytes;
  }
  return { start, end };
}

/** Functions of the package in one direction from the first, until too many of others come in a row. */
function* walk(
  next: (symbol: FunctionSymbol) => FunctionSymbol | undefined,
  first: FunctionSymbol,
  isOwn: (symbol: FunctionSymbol) => boolean,
): Generator<FunctionSymbol> {
  let others = 0;
  let at = first;
  for (let count = 0; count < maxFunctions && others < maxOthers; count++) {
    const symbol = next(at);
    if (!symbol || symbol.address === at.address) return;
    at = symbol;
    others = isOwn(symbol) ? 0 : others + 1;
    if (others === 0) yield symbol;
  }
}
