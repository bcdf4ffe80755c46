import type { Binary, FunctionSymbol } from '../../contract/binary.ts';
import type { Isa } from '../../discovery/isa/isa.ts';
import { isaOf } from '../../discovery/isa/isa-of.ts';
import { FunctionCode } from './function-code.ts';

/** Go's largest functions have some 100 KB. This bounds what is read of one. */
const maxFunctionBytes = 1 << 18;
/** Bytes of all functions that are kept. Their instructions take some 30 times as much when all are decoded. */
const maxKeptBytes = 1 << 19;

/**
 * The functions of a binary that places are in, so that all points of all definitions share what was decoded once. It is made for one plan
 * and goes with it. The least recently used functions go before.
 */
export class ProgramCode {
  readonly binary: Binary;
  readonly isa: Isa;
  readonly #functions = new Map<string, FunctionCode>();
  readonly #named = new Map<number, string>();
  readonly #maxKeptBytes: number;
  #keptBytes = 0;

  constructor(binary: Binary, keepBytes: number = maxKeptBytes) {
    this.binary = binary;
    this.isa = isaOf(binary.machine);
    this.#maxKeptBytes = keepBytes;
  }

  of(symbol: FunctionSymbol): FunctionCode {
    const known = this.#functions.get(symbol.name);
    const code = known ?? new FunctionCode(this.isa, symbol, this.binary.code(symbol, maxFunctionBytes));
    // The last of a Map is what was put there last.
    if (known) this.#functions.delete(symbol.name);
    else this.#keptBytes += code.code.length;
    this.#functions.set(symbol.name, code);
    this.#dropOldest(code);
    return code;
  }

  /** The function of that name. */
  find(name: string): FunctionSymbol | undefined {
    const symbol = this.binary.symbols.find(name);
    if (symbol) this.#named.set(symbol.address, name);
    return symbol;
  }

  /** The name of the function that begins at `address`: one that was looked up before, otherwise what the file has there. */
  nameOf(address: number | undefined): string | undefined {
    // An index of the addresses of a large program takes some 40 ms.
    const named = address === undefined ? undefined : this.#named.get(address);
    if (named !== undefined) return named;
    const symbol = address === undefined ? undefined : this.binary.symbols.at(address);
    return symbol?.address === address ? symbol?.name : undefined;
  }

  #dropOldest(used: FunctionCode): void {
    for (const [name, { code }] of this.#functions) {
      if (this.#keptBytes <= this.#maxKeptBytes || this.#functions.get(name) === used) return;
      this.#functions.delete(name);
      this.#keptBytes -= code.length;
    }
  }
}
