/** Words that say what a statement does, and to what. */

const words = (list: string): ReadonlySet<string> => new Set(list.split(' '));

/** Words that a statement begins with. Any other first word is left alone, because it may be anything. */
export const verbs = words(
  'SELECT INSERT UPDATE DELETE MERGE REPLACE UPSERT WITH VALUES TABLE CREATE DROP ALTER TRUNCATE RENAME COMMENT CALL EXEC EXECUTE DO ' +
    'BEGIN START COMMIT END ROLLBACK ABORT SAVEPOINT RELEASE SET RESET SHOW USE EXPLAIN DESCRIBE DESC ANALYZE ANALYSE VACUUM PRAGMA ' +
    'GRANT REVOKE LOCK UNLOCK COPY LOAD DECLARE FETCH MOVE CLOSE LISTEN UNLISTEN NOTIFY PREPARE DEALLOCATE DISCARD CLUSTER REINDEX ' +
    'REFRESH CHECKPOINT ATTACH DETACH OPTIMIZE FLUSH KILL',
);
export const dataVerbs = words('SELECT INSERT UPDATE DELETE MERGE');
export const definitionVerbs = words('CREATE DROP ALTER TRUNCATE');
/** Words before the name of what is created. */
export const definitionModifiers = words(
  'OR REPLACE TEMP TEMPORARY GLOBAL LOCAL UNLOGGED UNIQUE MATERIALIZED VIRTUAL FOREIGN FULLTEXT',
);
export const definitionKinds = words(
  'TABLE VIEW INDEX SEQUENCE DATABASE SCHEMA FUNCTION PROCEDURE TRIGGER TYPE ROLE USER EXTENSION DOMAIN POLICY',
);
/** Words between a verb or keyword and the table's name. */
export const tableModifiers = words(
  'ONLY IF NOT EXISTS OR IGNORE ROLLBACK ABORT REPLACE FAIL LOW_PRIORITY HIGH_PRIORITY DELAYED QUICK',
);
/** Words that end a list of tables. */
export const afterTables = words(
  'WHERE GROUP ORDER HAVING LIMIT OFFSET FETCH UNION EXCEPT INTERSECT WINDOW FOR RETURNING SET VALUES ON SELECT DEFAULT',
);
const others = words('FROM JOIN STRAIGHT_JOIN INTO USING DISTINCT LATERAL UNNEST');
/** Words that decide whether a name or a value follows. */
const places = words(
  'ADD ALL AND AS BETWEEN BY CASE CHECK COLLATE COLUMN CONSTRAINT CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP ELSE ESCAPE FALSE GLOB ' +
    'IDENTIFIED IN IS KEY LIKE MATCH NULL OFF REFERENCES REGEXP THEN TO TRUE VIA WHEN',
);

const byHash = new Map<number, string>();
for (const keyword of new Set([
  ...verbs,
  ...dataVerbs,
  ...definitionVerbs,
  ...definitionModifiers,
  ...definitionKinds,
  ...tableModifiers,
  ...afterTables,
  ...others,
  ...places,
])) {
  const hash = hashOf(Buffer.from(keyword), 0, keyword.length);
  if (byHash.has(hash)) throw new Error(`${keyword} and ${byHash.get(hash)} have the same hash`);
  byHash.set(hash, keyword);
}

/**
 * The keyword at this position, in capitals, for any case in the text. '' if there is none. It compares bytes: most words of a statement
 * are not keywords, and a string for each would be most of the work.
 */
export function keywordOf(bytes: Uint8Array, from: number, to: number): string {
  const keyword = byHash.get(hashOf(bytes, from, to));
  if (keyword === undefined || keyword.length !== to - from) return '';
  for (let i = 0; i < keyword.length; i++) if (upper(bytes[from + i]!) !== keyword.charCodeAt(i)) return '';
  return keyword;
}

function hashOf(bytes: Uint8Array, from: number, to: number): number {
  let hash = to - from;
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ upper(bytes[i]!), 0x01000193);
  return hash;
}

function upper(byte: number): number {
  return byte >= 0x61 && byte <= 0x7a ? byte - 0x20 : byte;
}
