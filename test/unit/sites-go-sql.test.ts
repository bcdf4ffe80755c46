/** The sites chosen for Go's database/sql, in real programs of every release. A Go release that changes one shows here first. */
import { describe, expect, test } from 'vitest';
import { openBinary } from '../../src/discovery/binary.ts';
import { goSql } from '../../src/probes/definitions/go/sql.ts';
import { Constant, GoBinary, GoError, GoSqlConfig, SqlDriverType, SqlSystem } from '../../src/probes/layout.gen.ts';
import { plan } from '../../src/probes/plan.ts';
import { sourceOf } from '../fixtures/go-elf/build.ts';
import { allGoReleases, allGoVariants, buildGoFixture, type GoVariant } from '../support/go-fixture.ts';

const sql = (name: string) => `database/sql.${name}`;
const site = (momentName: string, name: string, siteClass: string) => [momentName, sql(name), siteClass];
const held = (holder: string) =>
  ['Query', 'Exec', 'Prepare'].map((name) => site(`held_${name.toLowerCase()}`, `(*${holder}).${name}Context`, 'call'));

function expected() {
  return [
    site('run', '(*DB).QueryContext', 'push'),
    site('run', '(*DB).ExecContext', 'push'),
    site('prepare', '(*DB).PrepareContext', 'push'),
    site('run_prepared', '(*Stmt).QueryContext', 'push'),
    site('run_prepared', '(*Stmt).ExecContext', 'push'),
    site('begin', '(*DB).BeginTx', 'push'),
    ...held('Tx'),
    ...held('Conn'),
    site('held_begin', '(*Conn).BeginTx', 'call'),
    site('commit', '(*Tx).Commit', 'call'),
    site('rollback', '(*Tx).rollback', 'call'),
    site('succeeded', '(*DB).queryDC', 'call'),
    site('succeeded', '(*DB).queryDC', 'call'),
    site('succeeded', '(*Stmt).QueryContext.func1', 'call'),
    site('succeeded', '(*DB).beginDC', 'call'),
    site('executed', '(*DB).ExecContext.func1', 'nop'),
    site('executed', '(*Stmt).ExecContext.func1', 'jcc'),
    site('prepared', '(*DB).PrepareContext.func1', 'jcc'),
    site('failed', '(*DB).retry', 'call'),
    site('retried', '(*DB).retry', 'jcc'),
    site('released', '(*Tx).closemuRUnlockRelease-fm', 'push'),
    site('released', '(*Conn).closemuRUnlockCondReleaseConn-fm', 'push'),
    site('released', '(*Tx).Commit', 'call'),
    site('released', '(*Tx).rollback', 'call'),
  ];
}

function decide(path: string) {
  const options = { allowSingleStep: false, allowInstrumented: false };
  const [decision] = plan(openBinary(sourceOf(path)), 'executable', [goSql], options);
  if (decision?.do !== 'attach') throw new Error(`${decision?.reason}: ${decision?.detail}`);
  return decision;
}

describe.each(allGoReleases)('Go %s', (go) => {
  test.each<GoVariant>(go === '1.26' ? [...allGoVariants] : ['stripped'])('%s', async (variant) => {
    const { sites, notes, constants, goBinary } = decide(await buildGoFixture({ fixture: 'go-sql', go, variant }));
    expect(sites.map(({ momentName, function: name, class: kind }) => [momentName, name, kind])).toEqual(expected());
    expect(new Set(sites.map(({ address }) => address)).size).toBe(sites.length);
    expect(sites.every(({ spec, address }) => spec === address)).toBe(true);
    expect(notes).toEqual([]);
    // go1.21 to 1.27 have these offsets, so what is read is plausible.
    const view = new DataView(constants.buffer);
    expect(view.getUint16(GoSqlConfig.dbConnector, true)).toBe(8);
    expect(view.getUint16(GoSqlConfig.dsnDriver, true)).toBe(16);
    expect(view.getUint16(GoSqlConfig.stmtDb, true)).toBe(0);
    expect(view.getUint16(GoSqlConfig.connDb, true)).toBe(0);
    const systems = Array.from({ length: Constant.SQL_DRIVER_TYPES }, (_, index) =>
      view.getUint32(GoSqlConfig.driverTypes + index * SqlDriverType.size + SqlDriverType.system, true),
    );
    expect(systems).toContain(SqlSystem.BY_DSN);
    const facts = new DataView(goBinary!.buffer);
    expect(facts.getBigUint64(GoBinary.types, true)).toBeGreaterThan(0n);
    // *errors.errorString is the fifth of the known errors.
    expect(facts.getUint32(GoBinary.errors + 4 * GoError.size + GoError.typeHash, true)).toBeGreaterThan(0);
  });
});
