/**
 * Words that say what a statement does to what, known by their bytes: most words of a statement are none of them, and a string for
 * each would be most of the work.
 */
const list =
  'SELECT INSERT UPDATE DELETE MERGE REPLACE UPSERT WITH VALUES TABLE CREATE DROP ALTER TRUNCATE RENAME COMMENT CALL EXEC EXECUTE DO ' +
  'BEGIN START COMMIT END ROLLBACK ABORT SAVEPOINT RELEASE SET RESET SHOW USE EXPLAIN DESCRIBE DESC ANALYZE ANALYSE VACUUM PRAGMA ' +
  'GRANT REVOKE LOCK UNLOCK COPY LOAD DECLARE FETCH MOVE CLOSE LISTEN UNLISTEN NOTIFY PREPARE DEALLOCATE DISCARD CLUSTER REINDEX ' +
  'REFRESH CHECKPOINT ATTACH DETACH OPTIMIZE FLUSH KILL ' +
  'OR TEMP TEMPORARY GLOBAL LOCAL UNLOGGED UNIQUE MATERIALIZED VIRTUAL FOREIGN FULLTEXT ' +
  'VIEW INDEX SEQUENCE DATABASE SCHEMA FUNCTION PROCEDURE TRIGGER TYPE ROLE USER EXTENSION DOMAIN POLICY ' +
  'ONLY IF NOT EXISTS IGNORE FAIL LOW_PRIORITY HIGH_PRIORITY DELAYED QUICK ' +
  'WHERE GROUP ORDER HAVING LIMIT OFFSET UNION EXCEPT INTERSECT WINDOW FOR RETURNING ON DEFAULT ' +
  'FROM JOIN STRAIGHT_JOIN INTO USING DISTINCT LATERAL UNNEST';

const byHash = new Map<number, string>();
for (const keyword of list.split(' ')) {
  const hash = hashOf(Buffer.from(keyword), 0, keyword.length);
  if (byHash.has(hash)) throw new Error(`${keyword} and ${byHash.get(hash)} have the same hash`);
  byHash.set(hash, keyword);
}

/** The keyword in capitals that stands there in any case, or ''. */
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
