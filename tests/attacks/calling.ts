/** Every function of Lockstep, called with what nobody would give it: by SQL, from code, and by messages of the protocol. */

import { frontend } from '../../src/wire/postgres/index.ts';
import { block, forgedRow, forgedStatement, setOwn } from './attack.ts';
import type { Attack, Scene } from './attack.ts';

export interface OwnFunction {
  readonly oid: number;
  readonly name: string;
  readonly kind: string;
  readonly types: readonly string[];
}

/** As they are, whatever they will be called. */
export async function ownFunctions({ stage }: Pick<Scene, 'stage'>): Promise<readonly OwnFunction[]> {
  const [server] = stage.servers;
  const rows = await server?.query(
    `SELECT oid, proname, prorettype::regtype, array_to_json(ARRAY(SELECT format_type(t, NULL) FROM unnest(proargtypes) t))
       FROM pg_proc WHERE pronamespace = 'lockstep'::regnamespace ORDER BY proname`,
    undefined,
    stage.database,
  );
  return (rows ?? []).map(([oid, name, kind, types]) => ({
    oid: Number(oid),
    name: name ?? '',
    kind: kind ?? '',
    types: JSON.parse(types ?? '[]') as string[],
  }));
}

/** What could mean something to the function, of each type. */
const madeUp: Readonly<Record<string, readonly string[]>> = {
  text: [`'postgres'`, `'CREATE ROLE pwned SUPERUSER'`, `'+'`, `'*'`, `'-'`, `'!0,1,1,tok'`, forgedRow, `''`],
  name: [`'vault'`, `'secrets'`],
  bigint: ['1', '987654321', '-1', '9223372036854775807'],
  integer: ['0', '1', '-1'],
  smallint: ['0::smallint', '7::smallint', '99::smallint'],
  boolean: ['true', 'false'],
  oid: [`'pg_catalog.pg_authid'::regclass`, `'vault.secrets'::regclass`, '0'],
  regclass: [`'pg_catalog.pg_authid'::regclass`, `'vault.secrets'::regclass`],
  bytea: [`'\\x00'`, `'secret'`],
  'oid[]': [`ARRAY['vault.secrets'::regclass::oid]`, `'{}'`],
  'text[]': [`'{a}'`, `'{}'`],
};

export function argumentOf(type: string, choose: number): string {
  const values = madeUp[type] ?? ['NULL'];
  return `${values[choose % values.length] ?? 'NULL'}::${type}`;
}

/** Calls of one function: with nothing, and with one thing and another. */
function callsOf({ types }: OwnFunction): readonly string[] {
  const nothing = types.map((type) => `NULL::${type}`).join(', ');
  return types.length === 0
    ? ['']
    : [nothing, ...[0, 1, 2].map((n) => types.map((type, place) => argumentOf(type, n + place)).join(', '))];
}

const called = (functions: readonly OwnFunction[]): readonly { name: string; words: string }[] =>
  functions
    .filter(({ kind }) => kind !== 'trigger' && kind !== 'event_trigger')
    .flatMap((one) => callsOf(one).map((words) => ({ name: one.name, words })));

/** With what he may write already there, so that there is something to be mistaken about. */
const settings = [
  setOwn('changes', `'+'`, false),
  setOwn('changes', `'*'`, false),
  setOwn('changes', `'+' || ${forgedRow}`, false),
  setOwn('changes', `'+' || ${forgedStatement('CREATE ROLE pwned SUPERUSER')}`, false),
];

export const calling: readonly Attack[] = [
  {
    name: 'calling every function of Lockstep by its name',
    by: 'mallory',
    run: async (scene) => {
      for (const { name, words } of called(await ownFunctions(scene)))
        await scene.hand.say(`SELECT lockstep.${name}(${words})`);
    },
  },
  {
    name: 'calling every function of Lockstep without its schema',
    by: 'mallory',
    run: async (scene) => {
      const calls = called(await ownFunctions(scene));
      await scene.hand.say('SET search_path = lockstep');
      for (const { name, words } of calls) await scene.hand.say(`SELECT ${name}(${words})`);
      for (const setting of settings) {
        for (const { name, words } of calls)
          await scene.hand.say('BEGIN', setting, `SELECT ${name}(${words})`, 'COMMIT');
      }
    },
  },
  {
    name: 'calling every function of Lockstep from code, behind a row of his own',
    run: async (scene) => {
      const calls = called(await ownFunctions(scene));
      for (const { name, words } of calls)
        await scene.hand.say(
          'BEGIN',
          `INSERT INTO alice.other VALUES (1, 'x')`,
          block(`PERFORM lockstep.${name}(${words});`),
          'COMMIT',
        );
      await scene.hand.say(
        `CREATE FUNCTION alice.call(cmd text) RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE TG_ARGV[0]; RETURN NULL; EXCEPTION WHEN OTHERS THEN RETURN NULL; END $$`,
        `CREATE FUNCTION alice.call() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE TG_ARGV[0]; RETURN NULL; EXCEPTION WHEN OTHERS THEN RETURN NULL; END $$`,
        'CREATE TABLE alice.calls (i int)',
      );
      for (const [n, { name, words }] of calls.entries())
        await scene.hand.say(
          `CREATE ${n % 2 === 0 ? 'CONSTRAINT TRIGGER' : 'TRIGGER'} call_${n} AFTER INSERT ON alice.calls ${n % 2 === 0 ? 'DEFERRABLE INITIALLY DEFERRED' : ''} FOR EACH ROW EXECUTE FUNCTION alice.call($q$SELECT lockstep.${name}(${words})$q$)`,
        );
      await scene.hand.say('INSERT INTO alice.calls VALUES (1)');
    },
  },
  {
    name: 'triggers of his own with every trigger function of Lockstep',
    run: async (scene) => {
      const names = (await ownFunctions(scene)).filter(({ kind }) => kind === 'trigger');
      await scene.hand.say(
        'CREATE TABLE alice.forge (id int, word text)',
        'CREATE TEMP TABLE forge (id int, word text)',
      );
      for (const [n, { name }] of names.entries()) {
        for (const table of ['alice.forge', 'pg_temp.forge'])
          await scene.hand.say(
            `CREATE TRIGGER forge_${n} AFTER INSERT OR UPDATE OR DELETE ON ${table} FOR EACH ROW EXECUTE FUNCTION lockstep.${name}('5,7:vaultsecret' 's')`,
            `CREATE TRIGGER forge_s_${n} AFTER INSERT ON ${table} REFERENCING NEW TABLE AS lockstep_inserted FOR EACH STATEMENT EXECUTE FUNCTION lockstep.${name}('5,7:vaultsecret' 's')`,
            `CREATE TRIGGER forge_t_${n} BEFORE TRUNCATE ON ${table} FOR EACH STATEMENT EXECUTE FUNCTION lockstep.${name}('5,7:vaultsecret' 's')`,
          );
      }
      for (const table of ['alice.forge', 'pg_temp.forge'])
        await scene.hand.say(
          `INSERT INTO ${table} VALUES (99, 'forged')`,
          `UPDATE ${table} SET id = 1`,
          `TRUNCATE ${table}`,
        );
    },
  },
  {
    name: 'calling every function of Lockstep by a message',
    by: 'mallory',
    run: async (scene) => {
      for (const { oid, types } of await ownFunctions(scene)) {
        await scene.hand.send(
          functionCall(
            oid,
            types.map(() => null),
          ),
        );
        await scene.hand.send(
          functionCall(
            oid,
            types.map((_, place) => ['secret', '1', '987654321'][place % 3] ?? ''),
          ),
        );
      }
    },
  },
  {
    name: 'messages that name the statements of Lockstep',
    by: 'mallory',
    run: async ({ hand }) => {
      const { bind, close, describe, execute, parse, query, sync } = frontend;
      for (const name of [
        'lockstep_commit',
        'lockstep_begin',
        'lockstep_finish_0',
        'lockstep_row',
        'lockstep_lock_schema',
        'lockstep_done',
        'lockstep_sweep_moved',
      ])
        await hand.send(
          query('BEGIN; SELECT 1; COMMIT'),
          parse({ name, query: `SELECT 'planted ' || $1` }),
          describe('statement', name),
          bind({ statement: name, values: ['987654321'] }),
          execute(),
          close('statement', name),
          parse({ name, query: 'SELECT 1' }),
          sync,
          query('BEGIN'),
          query('SELECT 2'),
          query('COMMIT'),
        );
    },
  },
];

/** FunctionCall: arguments and the answer as text. */
function functionCall(oid: number, values: readonly (string | null)[]): Buffer {
  const head = Buffer.alloc(4 + 2 + 2 + 2);
  head.writeUInt32BE(oid, 0);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(0, 6);
  head.writeUInt16BE(values.length, 8);
  const parts = values.map((value) => {
    const bytes = Buffer.from(value ?? '');
    const length = Buffer.alloc(4);
    length.writeInt32BE(value === null ? -1 : bytes.length);
    return value === null ? length : Buffer.concat([length, bytes]);
  });
  const body = Buffer.concat([head, ...parts, Buffer.alloc(2)]);
  const frame = Buffer.alloc(5);
  frame.write('F');
  frame.writeInt32BE(4 + body.length, 1);
  return Buffer.concat([frame, body]);
}
