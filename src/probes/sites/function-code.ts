import type { FunctionSymbol } from '../../contract/binary.ts';
import type { Effects, Instruction, Isa } from '../../discovery/isa/isa.ts';

/** A prologue. For most functions this is enough. */
const firstInstructions = 32;
const moreInstructions = 512;

/** An instruction on the path of a walk. */
export interface Step {
  readonly instruction: Instruction;
  readonly effects: Effects;
}

/** The instructions of a function, each decoded once: as far as a caller has looked, and then kept. */
export class FunctionCode {
  readonly symbol: FunctionSymbol;
  readonly code: Uint8Array;
  readonly #isa: Isa;
  readonly #decoded: Instruction[] = [];
  #ended = false;

  /** @param code of the function, from its entry */
  constructor(isa: Isa, symbol: FunctionSymbol, code: Uint8Array) {
    this.#isa = isa;
    this.symbol = symbol;
    this.code = code;
  }

  /** The `index`th instruction from the entry. Undefined behind the last one. */
  at(index: number): Instruction | undefined {
    while (index >= this.#decoded.length && !this.#ended) this.#decodeMore();
    return this.#decoded[index];
  }

  /** The instructions from `address` on, to the end of the function. None if it is not in the function. */
  *from(address: number = this.symbol.address): Generator<Instruction, void> {
    if (address < this.symbol.address) return;
    const index = this.#indexOf(address);
    if (index !== undefined) {
      for (let next = index, each = this.at(next); each; each = this.at(++next)) yield each;
      return;
    }
    // A branch often leads to a few instructions at the end of a function. Those in between need not be decoded for them.
    const rest = this.code.subarray(address - this.symbol.address);
    if (rest.length > 0) yield* new FunctionCode(this.#isa, { ...this.symbol, address }, rest).from();
  }

  /** The first `maxInstructions` of them, each with what it does to registers. */
  *walk(address: number, maxInstructions: number): Generator<Step, void> {
    const instructions = this.from(address);
    for (const effects of this.#isa.effects(this.#bytes(address, maxInstructions))) {
      const { value: instruction } = instructions.next();
      if (!instruction || maxInstructions-- === 0) return;
      yield { instruction, effects };
    }
  }

  #decodeMore(): void {
    const last = this.#decoded.at(-1);
    const address = last ? last.address + last.length : this.symbol.address;
    const max = last ? moreInstructions : firstInstructions;
    const more = this.#isa.decode(this.#bytes(address, max), address, max);
    for (const instruction of more) this.#decoded.push(instruction);
    this.#ended = more.length < max;
  }

  /** As many bytes from `address` on as this many instructions can take, because a decoder copies its input. */
  #bytes(address: number, maxInstructions: number): Uint8Array {
    const offset = Math.max(0, address - this.symbol.address);
    return this.code.subarray(offset, offset + maxInstructions * this.#isa.maxInstructionBytes);
  }

  /** The decoded instruction that begins at `address`. */
  #indexOf(address: number): number | undefined {
    if (address === this.symbol.address) return 0;
    let low = 0;
    let high = this.#decoded.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#decoded[middle]!.address < address) low = middle + 1;
      else high = middle;
    }
    return this.#decoded[low]?.address === address ? low : undefined;
  }
}
