import type { SymbolTable } from '../../contract/binary.ts';

const none: SymbolTable = {
  source: 'dynsym',
  count: 0,
  find: () => undefined,
  findMatching: () => undefined,
  at: () => undefined,
};

/** Asks one table after another; `source` and `count` are the first one's. A file without any has an empty one. */
export function firstOf(tables: readonly SymbolTable[]): SymbolTable {
  const [first = none, ...others] = tables;
  if (others.length === 0) return first;
  const ask = <T>(question: (table: SymbolTable) => T | undefined): T | undefined => {
    for (const table of tables) {
      const answer = question(table);
      if (answer !== undefined) return answer;
    }
    return undefined;
  };
  return {
    source: first.source,
    count: first.count,
    find: (name) => ask((table) => table.find(name)),
    findMatching: (part, pattern) => ask((table) => table.findMatching(part, pattern)),
    at: (address) => ask((table) => table.at(address)),
  };
}
