import type { SymbolTable } from '../../contract/binary.ts';

const none: SymbolTable = {
  source: 'dynsym',
  count: 0,
  find: () => undefined,
  findMatching: () => undefined,
  at: () => undefined,
};

/**
 * Asks one table after another. `source` and `count` are those of the first. A file without tables has an empty one. It looks in `.dynsym`
 * before `.symtab`, which also has these names but is ten times as large.
 */
export function firstOf(tables: readonly SymbolTable[]): SymbolTable {
  const [first = none, ...others] = tables;
  if (others.length === 0) return first;
  const byName = tables.toSorted((a, b) => nameOrder.indexOf(a.source) - nameOrder.indexOf(b.source));
  return {
    source: first.source,
    count: first.count,
    find: (name) => ask(byName, (table) => table.find(name)),
    findMatching: (part, pattern) => ask(byName, (table) => table.findMatching(part, pattern)),
    at: (address) => ask(tables, (table) => table.at(address)),
  };
}

const nameOrder: readonly SymbolTable['source'][] = ['pclntab', 'dynsym', 'symtab'];

function ask<T>(tables: readonly SymbolTable[], question: (table: SymbolTable) => T | undefined): T | undefined {
  for (const table of tables) {
    const answer = question(table);
    if (answer !== undefined) return answer;
  }
  return undefined;
}
