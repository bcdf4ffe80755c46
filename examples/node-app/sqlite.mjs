import { DatabaseSync } from 'node:sqlite';

export function openSqlite(file) {
  const database = new DatabaseSync(file);
  const prepared = new Map();
  const prepare = (text) => {
    const statement = database.prepare(text.replaceAll(/\$\d+/g, '?'));
    prepared.set(text, statement);
    return statement;
  };
  return {
    kind: 'sqlite',
    query: async (text, values = []) => (prepared.get(text) ?? prepare(text)).all(...values),
    close: async () => database.close(),
  };
}
