/** The constants of `postgresql`: from a server's executable to `struct uspan_postgresql_config` and what a status site can read. */
import { describe, expect, test } from 'vitest';
import type { Binary, UsdtNote } from '../../src/contract/binary.ts';
import { postgresql } from '../../src/probes/definitions/postgresql/postgresql.ts';
import {
  Constant,
  PostgresqlArgument,
  PostgresqlConfig,
  UsdtArgument,
  UsdtLocation,
} from '../../src/probes/layout.gen.ts';
import { programOf } from './sites-program.ts';

const site = 0x488a47;
const variables: Readonly<Record<string, number>> = { MyProcPort: 0x8928b8, application_name: 0x892a10 };

function status(address = site, argumentText = '8@%rsi'): UsdtNote {
  const location = { in: 'register', register: 'rsi', shiftBits: 0 } as const;
  return {
    provider: 'postgresql',
    name: 'statement__status',
    address,
    fileOffset: address,
    semaphore: undefined,
    argumentText,
    arguments: [{ text: argumentText, readable: true, bytes: 8, kind: 'unsigned', location }],
  };
}

function server(version: string | undefined, more: Partial<Binary> = {}): Binary {
  return {
    ...programOf({}),
    runtime: 'native',
    notes: [status()],
    variable: (name) => variables[name],
    constantText: () => version && `postgres (PostgreSQL) ${version}\n`,
    ...more,
  };
}

function constantsOf(binary: Binary) {
  const constants = postgresql.constants(binary);
  if (!constants.found) throw new Error(constants.missing);
  const view = new DataView(constants.bytes.buffer);
  const [databaseName, raddr, errorCode] = (['portDatabaseName', 'portRaddr', 'errorCode'] as const).map((name) =>
    view.getUint16(PostgresqlConfig[name], true),
  );
  return { ...constants, databaseName, raddr, errorCode };
}

describe('where the fields of a major version are', () => {
  test.each([
    ['12.22', 328, 56],
    ['13.18', 328, 56],
    ['14.15', 328, 48],
    ['15.18 (Debian 15.18-0+deb12u1)', 328, 48],
    ['16.6', 328, 48],
    ['17.4', 320, 48],
    ['18.1', 384, 48],
  ])('%s', (version, databaseName, errorCode) => {
    expect(constantsOf(server(version))).toMatchObject({ databaseName, raddr: 152, errorCode, notes: [] });
  });

  test.each(['11.22', '19devel', undefined])('%s: not known, and said so', (version) => {
    const absent = Constant.FIELD_ABSENT;
    const { notes, ...offsets } = constantsOf(server(version));
    expect(offsets).toMatchObject({ databaseName: absent, raddr: absent, errorCode: absent });
    expect(notes).toEqual([expect.stringContaining('without db.namespace')]);
  });
});

describe('variables seen from a site', () => {
  const argument = (value: Uint8Array, number: number) => {
    const view = new DataView(value.buffer, number * UsdtArgument.size);
    return {
      location: view.getUint8(UsdtArgument.location),
      base: view.getUint8(UsdtArgument.base),
      offset: view.getBigInt64(UsdtArgument.value, true),
    };
  };

  test('are as far away as in the file', () => {
    const { entries = [], notes } = constantsOf(server('15.1'));
    expect(notes).toEqual([]);
    expect(entries).toHaveLength(1);
    const { value } = entries[0]!;
    const base = Constant.USDT_SITE;
    expect(argument(value, PostgresqlArgument.TEXT).location).toBe(UsdtLocation.REGISTER);
    expect(argument(value, PostgresqlArgument.MY_PROC_PORT)).toEqual({
      location: UsdtLocation.MEMORY,
      base,
      offset: BigInt(variables.MyProcPort! - site),
    });
    expect(argument(value, PostgresqlArgument.APPLICATION_NAME)).toMatchObject({
      base,
      offset: BigInt(variables.application_name! - site),
    });
  });

  test.each<[string, Partial<Binary>]>([
    ['the variable is not there', { variable: () => undefined }],
    ['two sites share a specification', { notes: [status(), status(site + 0x100)] }],
  ])('are left out when %s', (_, more) => {
    const { entries = [], notes } = constantsOf(server('15.1', more));
    expect(notes).toEqual([expect.stringContaining('MyProcPort')]);
    for (const { value } of entries) expect(argument(value, PostgresqlArgument.MY_PROC_PORT).location).toBe(0);
  });

  test('two sites with arguments of their own have each its distance', () => {
    const other = status(site + 0x100, '8@%rdx');
    const { entries = [], notes } = constantsOf(server('15.1', { notes: [status(), other] }));
    expect(notes).toEqual([]);
    const offsets = entries.map(({ value }) => argument(value, PostgresqlArgument.MY_PROC_PORT).offset);
    expect(offsets).toEqual([BigInt(variables.MyProcPort! - site), BigInt(variables.MyProcPort! - site - 0x100)]);
  });
});

test('a server without the probes is none of ours', () => {
  expect(postgresql.matches(server('15.1'))).toBe(true);
  expect(postgresql.matches(server('15.1', { notes: [] }))).toBe(false);
});
