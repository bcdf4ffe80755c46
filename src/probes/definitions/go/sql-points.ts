/** Where operations of Go's database/sql begin and end. sql.ts shows the shape of the library, and go_sql.bpf.c says what a hit does. */
import type { Place, Point } from '../../../contract/decision.ts';
import { SqlMoment } from '../../layout.gen.ts';

const sql = (name: string) => `database/sql.${name}`;

/** A method, and where an operation of it begins. */
interface Start {
  readonly moment: number;
  readonly name: string;
  readonly method: string;
  /** The call in it that begins the operation. None: its entry. */
  readonly callee?: string;
}

const fromPool: readonly Start[] = [
  { moment: SqlMoment.DB_RUN, name: 'run', method: '(*DB).QueryContext' },
  { moment: SqlMoment.DB_RUN, name: 'run', method: '(*DB).ExecContext' },
  { moment: SqlMoment.DB_PREPARE, name: 'prepare', method: '(*DB).PrepareContext' },
  { moment: SqlMoment.STMT_RUN, name: 'run_prepared', method: '(*Stmt).QueryContext' },
  { moment: SqlMoment.STMT_RUN, name: 'run_prepared', method: '(*Stmt).ExecContext' },
  { moment: SqlMoment.BEGIN, name: 'begin', method: '(*DB).BeginTx' },
];

const held: readonly Start[] = ['Tx', 'Conn'].flatMap((holder) => [
  { moment: SqlMoment.HELD_QUERY, name: 'held_query', method: `(*${holder}).QueryContext`, callee: '(*DB).queryDC' },
  { moment: SqlMoment.HELD_EXEC, name: 'held_exec', method: `(*${holder}).ExecContext`, callee: '(*DB).execDC' },
  {
    moment: SqlMoment.HELD_PREPARE,
    name: 'held_prepare',
    method: `(*${holder}).PrepareContext`,
    callee: '(*DB).prepareDC',
  },
]);

const beginHeld: Start = {
  moment: SqlMoment.HELD_BEGIN,
  name: 'held_begin',
  method: '(*Conn).BeginTx',
  callee: '(*DB).beginDC',
};

/** The connection's lock is held while the driver is called. */
const transactionEnds: readonly Start[] = [
  { moment: SqlMoment.COMMIT, name: 'commit', method: '(*Tx).Commit', callee: 'withLock' },
  { moment: SqlMoment.ROLLBACK, name: 'rollback', method: '(*Tx).rollback', callee: 'withLock' },
];

const inTransaction = held.filter(({ method }) => method.startsWith('(*Tx)'));
const onConnection = [...held.filter(({ method }) => method.startsWith('(*Conn)')), beginHeld];

/** A build by a profile inlines what is hot. Then it is also in its callers. */
const any = (places: readonly Place[]): Place => ({ at: 'any', places });
const retries = ['(*DB).retry', ...fromPool.map(({ method }) => method)];

/** Starts come first. If the program lacks a start, it makes no such calls. */
function points(): readonly Point[] {
  const starts = [...fromPool, ...held, beginHeld, ...transactionEnds].map(
    ({ moment, name, method, callee }): Point => ({
      moment,
      name,
      place: callee
        ? { at: 'call', function: sql(method), callees: [sql(callee)] }
        : { at: 'entry', function: sql(method) },
      required: false,
      purpose: `spans of ${method}`,
      calls: [method],
      spec: 'address',
    }),
  );
  const names = (all: readonly Start[]) => all.map(({ method }) => method);
  const end = (moment: number, name: string, place: Point['place'], calls: readonly string[]): Point => ({
    moment,
    name,
    place,
    required: false,
    purpose: `ends of ${calls.join(', ')}`,
    calls,
    spec: 'address',
  });
  const succeeded = (methods: readonly string[], callee: string, calls: readonly string[]) =>
    end(
      SqlMoment.SUCCEEDED,
      'succeeded',
      any(methods.map((method) => ({ at: 'calls', function: sql(method), callee }))),
      calls,
    );
  const after = (moment: number, name: string, callees: readonly string[], method: string) =>
    end(
      moment,
      name,
      any(
        [`${method}.func1`, method].flatMap((inlined) =>
          callees.map((callee): Place => ({ at: 'afterCall', function: sql(inlined), callee: sql(callee) })),
        ),
      ),
      [method],
    );
  const released = (method: string, calls: readonly string[]) =>
    end(SqlMoment.RELEASED, 'released', { at: 'entry', function: sql(`${method}-fm`) }, calls);
  return [
    ...starts,
    // The library prepares rows in the background for the end of the context. It does that last when a query succeeded.
    succeeded(['(*DB).queryDC', '(*DB).query', '(*DB).QueryContext.func1'], sql('(*Rows).initContextClose'), [
      '(*DB).QueryContext',
      '(*Tx).QueryContext',
      '(*Conn).QueryContext',
    ]),
    succeeded(['(*Stmt).QueryContext.func1', '(*Stmt).QueryContext'], sql('(*Rows).initContextClose'), [
      '(*Stmt).QueryContext',
    ]),
    // go tx.awaitDone()
    succeeded(['(*DB).beginDC', '(*DB).begin', '(*DB).BeginTx.func1'], 'runtime.newproc', [
      '(*DB).BeginTx',
      '(*Conn).BeginTx',
    ]),
    after(SqlMoment.EXECUTED, 'executed', ['(*DB).exec', '(*DB).execDC'], '(*DB).ExecContext'),
    after(SqlMoment.EXECUTED, 'executed', ['resultFromStatement'], '(*Stmt).ExecContext'),
    after(SqlMoment.PREPARED, 'prepared', ['(*DB).prepare', '(*DB).prepareDC'], '(*DB).PrepareContext'),
    end(
      SqlMoment.FAILED,
      'failed',
      any(retries.map((inlined) => ({ at: 'call', function: sql(inlined), callees: ['errors.Is'] }))),
      names(fromPool),
    ),
    end(
      SqlMoment.RETRIED,
      'retried',
      any(retries.map((inlined) => ({ at: 'afterCall', function: sql(inlined), callee: 'errors.Is' }))),
      names(fromPool),
    ),
    released('(*Tx).closemuRUnlockRelease', names(inTransaction)),
    released('(*Conn).closemuRUnlockCondReleaseConn', names(onConnection)),
    ...transactionEnds.map(({ method }) =>
      // The first check of the driver's answer is whether the connection was bad.
      end(SqlMoment.RELEASED, 'released', { at: 'call', function: sql(method), callees: ['errors.Is'] }, [method]),
    ),
  ];
}

/** Each call of the library has its start and its ends here. uspan attaches those that a program has. */
export const goSqlPoints: readonly Point[] = points();
