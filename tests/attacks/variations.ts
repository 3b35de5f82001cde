/** Attacks put together at random from a seed: what is tried, how it is wrapped, and what is done around it. */

import { addToOwn, block, forgedDelete, forgedRow, forgedStatement, perform } from './attack.ts';
import { argumentOf } from './calling.ts';
import type { OwnFunction } from './calling.ts';

/** Small, and the same everywhere for a seed. */
class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 up to below `sides`. */
  below(sides: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % sides;
  }

  of<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T;
  }
}

type Ingredient = (dice: Dice, functions: readonly OwnFunction[]) => string;

const settings = ['changes', 'ddl', 'guard', 'session', 'existing', 'work', 'box', 'rows', 'secret'];
const values = [
  `'+'`,
  `'*'`,
  `'*1;'`,
  `'!0,987654321,1,tok'`,
  `''`,
  `'off'`,
  `'on'`,
  `'attach'`,
  `'block'`,
  `'temporary'`,
  `'-'`,
  `'+X'`,
  `'go'`,
  `'+' || ${forgedRow}`,
];
const foreign = [
  'session_preload_libraries',
  'local_preload_libraries',
  'session_replication_role',
  'row_security',
  'search_path',
  'default_transaction_read_only',
  'check_function_bodies',
  'role',
  'session_authorization',
];
const temporary = [
  'pg_class',
  'pg_namespace',
  'pg_trigger',
  'lockstep_spill',
  'lockstep_inserted',
  'log',
  'log_0',
  'member',
  'pg_type',
  'pg_attribute',
  'pg_roles',
  'pg_settings',
];
const writes = [
  `INSERT INTO alice.other VALUES (1, 'x')`,
  `INSERT INTO alice.own SELECT max(i) + 1 FROM alice.own`,
  `UPDATE alice.other SET t = t || 'y'`,
  'DELETE FROM alice.other',
  'TRUNCATE alice.other',
  'SELECT tools.write(5)',
  `INSERT INTO shop.ledger SELECT max(id) + 1, 'alice', 'tea' FROM shop.ledger`,
];

const split = (word: string, dice: Dice): string => {
  const at = 1 + dice.below(word.length - 1);
  return dice.of([
    `'${word.slice(0, at)}' || '${word.slice(at)}'`,
    `reverse('${word.split('').reverse().join('')}')`,
    `concat('${word.slice(0, at)}', '${word.slice(at)}')`,
    `'${word}'`,
  ]);
};

const ingredients: readonly Ingredient[] = [
  (dice) =>
    `SELECT set_config(${split(`lockstep.${dice.of(settings)}`, dice)}, ${dice.of(values)}, ${dice.of(['true', 'false'])})`,
  (dice) =>
    `SELECT set_config(${split(dice.of(foreign), dice)}, ${dice.of(values)}, ${dice.of(['true', 'false'])})`,
  (dice) =>
    dice.of(['SET', 'SET LOCAL', 'SET SESSION']) +
    ` ${dice.of([...settings.map((name) => `lockstep.${name}`), ...foreign])} = ${dice.of([`'+'`, `'*'`, `'off'`, `'on'`, `'replica'`, 'DEFAULT'])}`,
  (dice) =>
    addToOwn(
      dice.of([
        forgedRow,
        forgedDelete,
        forgedStatement('CREATE ROLE pwned SUPERUSER'),
        `'X'`,
        `'B'`,
        `';'`,
        `'Q5,7:vault' || 'lettersup,1,t;'`,
      ]),
    ),
  (dice) =>
    dice.of([
      'RESET ALL',
      'DISCARD ALL',
      'DISCARD TEMP',
      'DISCARD PLANS',
      'DISCARD SEQUENCES',
      'DEALLOCATE ALL',
      'CLOSE ALL',
      'UNLISTEN *',
      'RESET ROLE',
      'RESET SESSION AUTHORIZATION',
    ]),
  (dice) =>
    `ALTER ROLE alice SET ${dice.of([...settings.map((name) => `lockstep.${name}`), ...foreign])} = ${dice.of([`'+'`, `'off'`, `'on'`, `'replica'`])}`,
  (dice) =>
    `CREATE OR REPLACE FUNCTION alice.clause() RETURNS void LANGUAGE plpgsql SET ${dice.of([...settings.map((name) => `lockstep.${name}`), ...foreign])} = ${dice.of([`'+'`, `'*'`, `'off'`])} AS $c$ BEGIN ${perform('SELECT tools.write(6)')} END $c$; SELECT alice.clause()`,
  (dice) =>
    `CREATE TEMP TABLE ${dice.of(temporary)} (i int DEFAULT tools.grab()::int, chunk text CHECK (tools.grab()), seq bigint)`,
  (dice) =>
    `CREATE TEMP VIEW ${dice.of(temporary)} AS SELECT * FROM pg_catalog.${dice.of(['pg_class', 'pg_namespace', 'pg_trigger', 'pg_type'])} WHERE tools.grab()`,
  (dice) =>
    `CREATE DOMAIN ${dice.of(['pg_temp', 'alice'])}.${dice.of(['text', 'oid', 'bytea', 'name', 'int8'])} AS pg_catalog.text CHECK (tools.break_out(VALUE))`,
  (dice, functions) => call(dice, functions),
  (dice, functions) => call(dice, functions),
  (dice) =>
    `SELECT ${dice.of(['pg_try_advisory_lock', 'pg_try_advisory_xact_lock', 'pg_try_advisory_lock_shared', 'pg_advisory_unlock', 'pg_advisory_unlock_shared'])}(${dice.of(['5498132001', '5498132002', '1, 1203164705', '1, 1203164706', '5498132000', '5498132003'])})`,
  (dice) =>
    `LOCK TABLE lockstep.${dice.of(['log', 'log_0', 'log_7', 'member', 'fence', 'heartbeat', 'sequence_reset'])} IN ${dice.of(['ACCESS SHARE', 'ROW EXCLUSIVE', 'SHARE', 'ACCESS EXCLUSIVE'])} MODE NOWAIT`,
  (dice) =>
    dice.of(['PREPARE', 'EXECUTE', 'DEALLOCATE']) +
    ` lockstep_${dice.of(['commit', 'begin', 'row', 'finish_0', 'done', 'sweep'])}`,
  (dice) =>
    `PREPARE lockstep_${dice.of(['commit', 'begin', 'row', 'finish_0', 'done', 'sweep'])} AS SELECT tools.grab()`,
  (dice) =>
    `DECLARE c${dice.below(3)} ${dice.of(['', 'NO SCROLL', 'SCROLL'])} CURSOR WITH HOLD FOR SELECT tools.write(i) FROM generate_series(1, 3) i`,
  (dice) =>
    `RAISE ${dice.of(['INFO', 'NOTICE', 'EXCEPTION'])} 'tok,2,K0I1' USING ERRCODE = '${dice.of(['LS0LP', 'LS001', 'LS004', 'LS005', '57P01', '40001'])}'`,
  (dice) =>
    `CREATE TRIGGER t${dice.below(5)} AFTER INSERT ON alice.other FOR EACH ROW EXECUTE FUNCTION lockstep.${dice.of(['capture_plain', 'capture_truncate', 'inserted_plain', 'capture_sequences'])}('5,7:vaultsecret' 's')`,
  (dice) =>
    `ALTER TABLE alice.${dice.of(['own', 'other'])} ${dice.of(['DISABLE TRIGGER ALL', 'DISABLE TRIGGER USER', 'ENABLE REPLICA TRIGGER "!lockstep_inserted"', 'DISABLE ROW LEVEL SECURITY'])}`,
  (dice) =>
    dice.of([
      'REFRESH MATERIALIZED VIEW alice.random_m',
      'CREATE MATERIALIZED VIEW alice.random_m AS SELECT tools.write(1)',
      'CREATE INDEX ON alice.other (tools.write_quietly(i))',
      'ANALYZE alice.other',
      'CREATE INDEX random_b ON alice.other USING brin (tools.write_quietly(i))',
      `SELECT brin_desummarize_range('alice.random_b', 0), brin_summarize_range('alice.random_b', 0)`,
    ]),
  (dice) =>
    `SELECT * FROM lockstep.${dice.of(['log', 'member', 'sequence_shipped', 'secrets', 'secret', 'node'])}`,
  (dice) =>
    `SELECT ${dice.of([`current_setting('lock' || 'step.changes', true)`, `current_setting('session_preload_libraries', true)`, 'array_agg(s) FROM pg_settings s', 'array_agg(p) FROM pg_prepared_statements p', 'array_agg(a) FROM pg_stat_activity a', 'array_agg(a) FROM pg_authid a', 'array_agg(word) FROM vault.letters'])}`,
];

function call(dice: Dice, functions: readonly OwnFunction[]): string {
  const { name, types } = dice.of(
    functions.filter(({ kind }) => kind !== 'trigger' && kind !== 'event_trigger'),
  );
  const words = types.map((type) =>
    dice.below(4) === 0 ? `NULL::${type}` : argumentOf(type, dice.below(8)),
  );
  return `SELECT ${dice.of(['lockstep.', 'lockstep.', ''])}${name}(${words.join(', ')})`;
}

/** As plain text, in a block, as dynamic text in a block, or in a function. */
function wrap(sql: string, dice: Dice): readonly string[] {
  const inBlock = sql.startsWith('RAISE')
    ? `${sql};`
    : sql.startsWith('SELECT')
      ? perform(sql)
      : `EXECUTE $d$${sql}$d$;`;
  if (sql.startsWith('RAISE')) return [block(inBlock)];
  switch (dice.below(4)) {
    case 0:
      return [block(inBlock)];
    case 1:
      return [
        block(`BEGIN ${inBlock} EXCEPTION WHEN OTHERS THEN NULL; END; ${perform('SELECT tools.write(9)')}`),
      ];
    case 2:
      return [
        `CREATE OR REPLACE FUNCTION alice.wrapped() RETURNS void LANGUAGE plpgsql AS $w$ BEGIN ${inBlock} END $w$`,
        'SELECT alice.wrapped()',
      ];
    default:
      return [sql];
  }
}

/** One session's worth. */
export function composed(seed: number, functions: readonly OwnFunction[]): readonly string[] {
  const dice = new Dice(seed);
  const script: string[] = [];
  if (dice.below(3) === 0)
    script.push(
      `SET search_path = ${dice.of(['lockstep', 'lockstep, alice', 'pg_temp, lockstep', 'alice', `''`])}`,
    );
  const tries = 2 + dice.below(5);
  const inTransaction = dice.below(4) > 0;
  if (inTransaction) script.push(dice.of(['BEGIN', 'BEGIN', 'BEGIN ISOLATION LEVEL REPEATABLE READ']));
  for (let n = 0; n < tries; n++) {
    if (dice.below(2) === 0) script.push(dice.of(writes));
    if (inTransaction && dice.below(2) === 0) script.push('SAVEPOINT s');
    script.push(...wrap(dice.of(ingredients)(dice, functions), dice));
    if (inTransaction && dice.below(3) === 0) script.push('ROLLBACK TO SAVEPOINT s');
  }
  script.push(dice.of(writes));
  if (inTransaction) script.push(dice.of(['COMMIT', 'COMMIT', 'COMMIT', 'ROLLBACK', 'END; BEGIN']));
  script.push('ROLLBACK', dice.of(writes));
  return script;
}
