import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LockstepError } from '../../../src/base/index.ts';
import {
  checkDatabase,
  checkReplication,
  readSettings,
} from '../../../src/fronts/postgres/startup-settings.ts';

function settings(parameters: Record<string, string>): [string, string][] {
  return [...readSettings(new Map(Object.entries(parameters)))];
}

function sqlStateOf(act: () => unknown): string | undefined {
  try {
    act();
  } catch (error) {
    if (error instanceof LockstepError) return error.sqlState;
    throw error;
  }
  return undefined;
}

describe('settings', () => {
  test('the parameters of the protocol are not settings', () => {
    expect(
      settings({ user: 'app', database: 'x', replication: 'off', '_pq_.y': '1', TimeZone: 'UTC' }),
    ).toEqual([['TimeZone', 'UTC']]);
  });

  test('options are read as a command line: -c in two forms, --, dashes, backslashes, empty values', () => {
    const options =
      String.raw`-c search_path=a,b  --work-mem=4MB -cgeqo=off` +
      String.raw` -c application_name=one\ \\\"two --extra_float_digits=`;
    expect(settings({ options })).toEqual([
      ['search_path', 'a,b'],
      ['work_mem', '4MB'],
      ['geqo', 'off'],
      ['application_name', 'one \\"two'],
      ['extra_float_digits', ''],
    ]);
  });

  test('a parameter wins over the same setting in options, however it is spelled, and comes after the others', () => {
    expect(settings({ timezone: 'UTC', options: '-c TimeZone=CET -c geqo=off' })).toEqual([
      ['geqo', 'off'],
      ['timezone', 'UTC'],
    ]);
  });

  test.each([
    'role',
    'ROLE',
    'session_authorization',
    'Session_Replication_Role',
    'session_preload_libraries',
    'lockstep.guard',
    'Lockstep.Guard',
  ])('%s is refused in options and as a parameter', (name) => {
    expect(sqlStateOf(() => settings({ [name]: 'x' }))).toBe('42501');
    expect(sqlStateOf(() => settings({ options: `-c ${name}=x` }))).toBe('42501');
    expect(sqlStateOf(() => settings({ options: `--${name.replaceAll('_', '-')}=x` }))).toBe('42501');
  });

  test.each([
    'user',
    'User',
    'database',
    'replication',
    'options',
    '_pq_.x',
    'a b',
    'a;b',
    "a'b",
    '',
    '1a',
    '.a',
  ])('options cannot set "%s": it is no setting', (name) => {
    const escaped = name.replaceAll(' ', '\\ ');
    expect(sqlStateOf(() => settings({ options: `-c ${escaped}=postgres` }))).toBe('42704');
  });

  test.each(['-c', '-c search_path', '-d 5', 'search_path=x', '--geqo', '-'])(
    'options "%s" are an error, not ignored',
    (options) => {
      expect(sqlStateOf(() => settings({ options }))).toBe('42601');
    },
  );

  test('whatever a client sends, the answer is settings with proper names or an error for it', () => {
    const text = fc.stringMatching(/^[-c =\\a-z_.;'\n]{0,30}$/);
    fc.assert(
      fc.property(fc.array(fc.tuple(text, text)), text, (pairs, options) => {
        try {
          const result = readSettings(new Map([...pairs, ['options', options]]));
          for (const name of result.keys()) expect(name).toMatch(/^[a-z_][a-z_.]*$/);
        } catch (error) {
          expect(error).toBeInstanceOf(LockstepError);
        }
      }),
    );
  });
});

describe('database and replication', () => {
  test('no database, an empty one, and the allowed names are accepted', () => {
    for (const name of [undefined, '', 'orders', 'orders_db']) checkDatabase(name, ['orders', 'orders_db']);
    expect(sqlStateOf(() => checkDatabase('Orders', ['orders']))).toBe('3D000');
  });

  test('replication that is switched off is none; anything else is refused', () => {
    for (const value of [undefined, 'off', 'false', 'F', 'no', '0']) checkReplication(value);
    for (const value of ['', 'on', 'true', 'database', '1', 'o', 'nope']) {
      expect(sqlStateOf(() => checkReplication(value))).toBe('0A000');
    }
  });
});
