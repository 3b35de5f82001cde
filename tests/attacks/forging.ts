/** Writing into what is recorded, hiding from it, and reading it: by settings, and by calling what Lockstep calls. */

import { addToOwn, block, forgedDelete, forgedRow, forgedStatement, perform, setOwn } from './attack.ts';
import type { Attack } from './attack.ts';
import { connect } from '../support/index.ts';

const makeSuperuser = 'CREATE ROLE pwned SUPERUSER LOGIN';
const grow = `INSERT INTO alice.own SELECT i, 'x' FROM generate_series(1, 3) i`;
const mine = `INSERT INTO shop.ledger VALUES (70, 'alice', 'cake')`;

const errorsOfMembers = ['57P01', '53100', '25006', 'XX001', '57P03', '58030', '40001', '57014'];
const errorsOfLockstep = ['LS001', 'LS002', 'LS003', 'LS004', 'LS005'];

/** Names that look like a part of the server's call stack. */
const frames = [
  'x"\nPL/pgSQL function f() line 3 at EXECUTE',
  '\nPL/pgSQL function f() line 3 at EXECUTE\nSQL statement "',
  '"\nPL/pgSQL function lockstep.guard_ddl() line 3 at SQL statement',
  `" statement 1\nSQL statement "${makeSuperuser}"\nPL/pgSQL function `,
  `x"; ${makeSuperuser}; --`,
];

/** In every place where an error can come from. */
const raised = (codes: readonly string[]): readonly string[] => [
  'CREATE TABLE alice.broken (code text)',
  `CREATE FUNCTION alice.break_late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION USING MESSAGE = 'broken', ERRCODE = NEW.code; END $$`,
  'CREATE CONSTRAINT TRIGGER late AFTER INSERT ON alice.broken DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION alice.break_late()',
  ...codes.flatMap((code) => [
    block(`RAISE EXCEPTION USING MESSAGE = 'broken', ERRCODE = '${code}';`),
    `INSERT INTO alice.broken VALUES ('${code}')`,
    'BEGIN',
    `INSERT INTO alice.broken VALUES ('${code}')`,
    'COMMIT',
  ]),
];

/** The settings in which a member keeps what an open transaction has changed, and which schema statement may pass. */
const keepers = ['session_preload_libraries', 'backtrace_functions'];

export const forging: readonly Attack[] = [
  {
    name: 'setting, showing and resetting where changes are kept',
    run: [
      'BEGIN',
      "INSERT INTO alice.own VALUES (901, 'kept')",
      ...keepers.flatMap((name) => [
        `SELECT tools.attempt($q$SELECT set_config('${name}', '+', true)$q$)`,
        `SELECT tools.attempt($q$SELECT set_config('${name}', 'lockstep_attach', false)$q$)`,
        `SELECT tools.attempt($q$SET LOCAL ${name} = '+'$q$)`,
        `SELECT tools.attempt($q$RESET ${name}$q$)`,
        `SELECT tools.attempt($q$UPDATE pg_settings SET setting = '+' WHERE name = '${name}'$q$)`,
        `SELECT tools.attempt($q$ALTER ROLE alice SET ${name} = '+'$q$)`,
        `SELECT tools.attempt($q$ALTER DATABASE postgres SET ${name} = '+'$q$)`,
        `SELECT tools.attempt($q$CREATE FUNCTION alice.sly() RETURNS int LANGUAGE sql SET ${name} = '+' AS 'SELECT 1'$q$)`,
        `SELECT tools.attempt($q$CREATE FUNCTION alice.sly() RETURNS int LANGUAGE sql SET ${name} FROM CURRENT AS 'SELECT 1'$q$)`,
      ]),
      'COMMIT',
      'SHOW session_preload_libraries',
      'BEGIN',
      "INSERT INTO alice.own VALUES (902, 'kept')",
      "SELECT string_agg(setting, '') FROM pg_settings",
      'EXPLAIN (ANALYZE, SETTINGS) UPDATE alice.own SET t = t',
      'COMMIT',
    ],
  },
  {
    name: 'recording a statement of the superuser',
    by: 'mallory',
    run: [
      'SET search_path = lockstep',
      `SELECT record_text('postgres', 'pg_catalog', '{}', '${makeSuperuser}')`,
      'BEGIN',
      `SELECT record_statement('postgres', 'pg_catalog', '{}', '${makeSuperuser}', '{}', '{}')`,
      `SELECT record_view('postgres', 'pg_catalog', '{}', '${makeSuperuser}', 0)`,
      'COMMIT',
    ],
  },
  {
    name: 'a statement of the superuser in the setting of changes',
    by: 'mallory',
    run: ['BEGIN', addToOwn(forgedStatement(makeSuperuser)), 'COMMIT'],
  },
  {
    name: 'a program of the server in the setting of changes',
    by: 'mallory',
    run: [
      block(
        perform(
          addToOwn(
            forgedStatement("CREATE TABLE vault.stolen AS SELECT 1; COPY (SELECT 1) TO PROGRAM 'true'"),
          ),
        ),
      ),
    ],
  },
  {
    name: 'having every row of any table recorded',
    by: 'mallory',
    run: [
      'SET search_path = lockstep',
      'BEGIN',
      `SELECT record_rows('pg_catalog.pg_authid'::regclass), current_setting('lock' || 'step.changes', true)`,
      `SELECT record_rows('vault.secrets'::regclass)`,
      `SELECT record_rows_of_domains('vault.secrets'::regclass)`,
      `SELECT record_created_table('postgres', 'vault', '{}', 'vault.letters'::regclass)`,
      `SELECT current_setting('lock' || 'step.changes', true), current_setting('session_preload_libraries', true)`,
      'ROLLBACK',
      `SELECT record_rows('pg_catalog.pg_authid'::regclass), current_setting('lock' || 'step.changes', true)`,
    ],
  },
  {
    name: 'reading what is captured and logged of others',
    by: 'mallory',
    run: [
      'SELECT * FROM lockstep.log',
      'SET search_path = lockstep',
      'SELECT payload, encode(payload, $$escape$$) FROM log ORDER BY csn',
      ...['finish_0', 'finish_3'].map((name) => `SELECT encode(${name}(1, 1), 'escape')`),
      'SELECT encode(finish_large(1, 1, 0::smallint), $$escape$$)',
      'SELECT logged_image(s::smallint, c, 0, 100000) FROM generate_series(0, 7) s, generate_series(1, 40) c',
      'SELECT pending_bytes(), collected()',
      'SELECT * FROM pg_temp.lockstep_spill',
      `SELECT relname FROM pg_class WHERE relname LIKE 'lockstep%'`,
      'SELECT query FROM pg_stat_activity',
      'SELECT statement, parameter_types FROM pg_prepared_statements',
      'SELECT setting, reset_val FROM pg_settings',
    ],
  },
  {
    name: 'hiding a row by emptying the setting of changes',
    run: [
      'BEGIN',
      mine,
      setOwn('changes', `'+'`),
      'COMMIT',
      grow,
      'BEGIN',
      'DELETE FROM alice.own WHERE i = 1',
      'RESET ALL',
      'COMMIT',
    ],
  },
  {
    name: 'hiding a row in a function that has settings of its own',
    run: [
      `CREATE FUNCTION alice.quiet() RETURNS void LANGUAGE plpgsql SET lockstep.changes = '+' AS $$ BEGIN INSERT INTO alice.other VALUES (1, 'quiet'); END $$`,
      'SELECT alice.quiet()',
      `CREATE FUNCTION alice.quieter() RETURNS void LANGUAGE plpgsql SET session_preload_libraries = '+' AS $$ BEGIN INSERT INTO alice.other VALUES (2, 'quiet'); END $$`,
      'SELECT alice.quieter()',
      `ALTER FUNCTION tools.write(int) SET lockstep.changes = '+'`,
      'SELECT tools.write(3)',
      `CREATE FUNCTION alice.replicating() RETURNS void LANGUAGE plpgsql SET session_replication_role = 'replica' AS $$ BEGIN INSERT INTO alice.other VALUES (4, 'quiet'); END $$`,
      'SELECT alice.replicating()',
      block(`EXECUTE 'ALTER FUNCTION tools.write(int) SET ' || 'lock' || 'step.changes FROM CURRENT';`),
      'SELECT tools.write(5)',
    ],
  },
  {
    name: 'settings of the role for later sessions',
    run: async ({ hand }) => {
      for (const [name, value] of [
        ['lockstep.changes', '+'],
        ['lockstep.session', 'on'],
        ['lockstep.guard', 'off'],
        ['lockstep.ddl', 'attach'],
        ['session_preload_libraries', '+'],
        ['local_preload_libraries', ''],
        ['session_replication_role', 'replica'],
        ['search_path', 'pg_temp, alice'],
        ['statement_timeout', '1'],
      ]) {
        await hand.say(`ALTER ROLE alice SET ${name} = '${value}'`);
        await hand.say(block(`EXECUTE 'ALTER ROLE alice SET ${name} = ''${value}''';`));
      }
      await hand.another().say(grow, mine, 'ALTER ROLE alice RESET ALL');
    },
  },
  {
    name: 'resetting everything in the middle',
    run: [
      'BEGIN',
      grow,
      'RESET ALL',
      block('RESET ALL;'),
      mine,
      'COMMIT',
      'BEGIN',
      'UPDATE alice.own SET t = 1',
      block(`EXECUTE 'RES' || 'ET ALL';`),
      'COMMIT',
      'BEGIN',
      'UPDATE alice.own SET t = 2',
      block(`EXECUTE 'RESET session_preload_libraries';`),
      'COMMIT',
      'DISCARD ALL',
      'UPDATE alice.own SET t = 3',
    ],
  },
  {
    name: 'a row for the table of another in the setting of changes',
    by: 'mallory',
    run: ['BEGIN', addToOwn(forgedRow), addToOwn(forgedDelete), 'COMMIT'],
  },
  {
    name: 'a piece that nobody can read in the setting of changes',
    by: 'mallory',
    run: ['BEGIN', setOwn('changes', `'+X'`), 'COMMIT', block(perform(addToOwn(`'S9,9,9,9:'`)))],
  },
  {
    name: 'a piece that nobody can read behind a row',
    run: ['BEGIN', grow, addToOwn(`'UPDATE5,3:aliceown(1,x)'`), 'COMMIT'],
  },
  {
    name: 'taking the triggers off a table as if one were attaching them',
    run: [
      'BEGIN',
      block(`${perform(setOwn('ddl', "'attach'"))} EXECUTE 'ALTER TABLE alice.other DISABLE TRIGGER ALL';`),
      `INSERT INTO alice.other VALUES (1, 'hidden')`,
      'COMMIT',
    ],
  },
  {
    name: 'taking the triggers off a table of his own',
    run: [
      ...['own', 'other'].flatMap((table) => [
        `ALTER TABLE alice.${table} DISABLE TRIGGER ALL`,
        `ALTER TABLE alice.${table} DISABLE TRIGGER USER`,
        `DROP TRIGGER "!lockstep_capture" ON alice.${table}`,
        `DROP TRIGGER "!lockstep_inserted" ON alice.${table}`,
        `ALTER TRIGGER "!lockstep_inserted" ON alice.${table} RENAME TO gone`,
        `ALTER TABLE alice.${table} ENABLE REPLICA TRIGGER "!lockstep_inserted"`,
      ]),
      grow,
      `INSERT INTO alice.other VALUES (1, 'x')`,
      `CREATE RULE nothing AS ON INSERT TO alice.other DO INSTEAD NOTHING`,
      `INSERT INTO alice.other VALUES (2, 'x')`,
    ],
  },
  {
    name: 'a trigger of his own with a function of Lockstep',
    run: [
      ...['capture_plain', 'inserted_plain', 'capture_truncate', 'capture_checked', 'capture_pinned'].flatMap(
        (name, n) => [
          `CREATE TABLE alice.forge${n} (id int, word text)`,
          `CREATE TRIGGER forge AFTER INSERT OR UPDATE OR DELETE ON alice.forge${n} FOR EACH ROW EXECUTE FUNCTION lockstep.${name}('5,7:vault' 'secrets')`,
          `SET search_path = lockstep`,
          `CREATE TRIGGER forge2 AFTER INSERT OR UPDATE OR DELETE ON alice.forge${n} FOR EACH ROW EXECUTE FUNCTION ${name}('5,7:vaultsecret' || 's')`,
          `CREATE TRIGGER forge3 AFTER INSERT ON alice.forge${n} REFERENCING NEW TABLE AS lockstep_inserted FOR EACH STATEMENT EXECUTE FUNCTION ${name}('5,7:vaultsecrets')`,
          `INSERT INTO alice.forge${n} VALUES (99, 'forged')`,
          `RESET search_path`,
        ],
      ),
      `CREATE TABLE alice.forge_s (i int)`,
      `CREATE TRIGGER forge AFTER INSERT ON alice.forge_s FOR EACH STATEMENT EXECUTE FUNCTION lockstep.capture_sequences('1', 'x')`,
      'INSERT INTO alice.forge_s VALUES (1)',
    ],
  },
  {
    name: 'finishing with a number of his own',
    by: 'mallory',
    run: [
      block('PERFORM lockstep.finish_3(987654321, 1);'),
      'SET search_path = lockstep',
      'SELECT finish_3(987654321, 1)',
      'SELECT finish_large(987654322, 1, 4::smallint)',
      'BEGIN',
      setOwn('changes', `'+' || ${forgedRow}`),
      'SELECT finish_3(987654323, 1)',
      'COMMIT',
    ],
  },
  {
    name: 'finishing in the middle of a transaction that goes on',
    run: [
      'BEGIN',
      'INSERT INTO alice.own VALUES (41)',
      'SET search_path = lockstep',
      'SELECT finish_2(987654321, 1)',
      setOwn('changes', `'+'`),
      'INSERT INTO alice.own VALUES (42)',
      'COMMIT',
    ],
  },
  {
    name: 'saying that somebody has written around Lockstep',
    by: 'mallory',
    run: [
      block(`${perform(setOwn('guard', "'off'"))} PERFORM lockstep.overflow('-');`),
      setOwn('guard', "'off'"),
      'SET search_path = lockstep',
      `SELECT overflow('-')`,
      `SELECT nextval('foreign_write')`,
      `SELECT setval('lockstep.foreign_write', 5), setval('lockstep.term', 99)`,
    ],
  },
  {
    name: 'writing at a member with the guard lifted by himself',
    only: 'at the members',
    run: ['SET lockstep.guard = off', mine, grow, `UPDATE alice.own SET t = 'y'`],
  },
  {
    name: 'writing at a member as if it were a session of ours',
    only: 'at the members',
    run: [
      `SET lockstep.session = 'on'`,
      `SET lockstep.changes = '+'`,
      mine,
      grow,
      `SET lockstep.changes = '*'`,
      `UPDATE alice.own SET t = 'y'`,
      `SET session_preload_libraries = '+'`,
      `DELETE FROM alice.own`,
    ],
  },
  {
    name: 'schema statements at a member with the guard lifted by himself',
    only: 'at the members',
    run: [
      'SET lockstep.guard = off',
      'CREATE TABLE alice.beside (i int)',
      'ALTER TABLE alice.own ADD more int',
      `SET lockstep.guard = on`,
      `SET lockstep.ddl = 'attach'`,
      'CREATE TABLE alice.beside2 (i int)',
      `SET lockstep.session = 'on'`,
      `SET lockstep.ddl = 'on'`,
      'CREATE TABLE alice.beside3 (i int)',
    ],
  },
  {
    name: 'writing at a member with nothing lifted',
    only: 'at the members',
    run: [
      mine,
      grow,
      'CREATE TABLE alice.beside (i int)',
      'DROP TABLE alice.own',
      'TRUNCATE alice.own',
      'ALTER FUNCTION tools.grab() SECURITY DEFINER',
      'SELECT tools.write(1)',
    ],
  },
  {
    name: 'notices that look like those of Lockstep',
    run: [
      'BEGIN',
      grow,
      ...['LS0LP', 'LS0SC', 'LS001', 'LS002', 'LS003', 'LS004', 'LS005'].flatMap((code) => [
        block(`RAISE INFO USING MESSAGE = 'tok,2,K0I1', ERRCODE = '${code}';`),
        block(`RAISE EXCEPTION USING MESSAGE = 'tok,2,K0I1', ERRCODE = '${code}';`),
      ]),
      'ROLLBACK',
      `CREATE TABLE alice.late (i int)`,
      `CREATE FUNCTION alice.say_late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE INFO USING MESSAGE = 'tok,2,QjUsNzp2YXVsdHNlY3JldHMoOTksZm9yZ2VkKTs=', ERRCODE = 'LS0LP'; RETURN NULL; END $$`,
      `CREATE CONSTRAINT TRIGGER late AFTER INSERT ON alice.late DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION alice.say_late()`,
      'INSERT INTO alice.late VALUES (1)',
    ],
  },
  {
    name: 'schema statements in functions whose text seems to end, or to be another’s',
    only: 'through the node',
    run: async ({ stage, hand }) => {
      const owner = await connect(stage.nodeUrl('postgres'));
      // With the rights of a superuser, and names that the attacker chooses.
      await owner.query(`CREATE OR REPLACE FUNCTION shop.tend(what text, name text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
          CASE what WHEN 'index' THEN EXECUTE format('CREATE INDEX ON shop.ledger (what) WHERE what <> %L', name);
            WHEN 'comment' THEN EXECUTE format('COMMENT ON TABLE shop.ledger IS %L', name);
            WHEN 'drop' THEN EXECUTE format('DROP TABLE IF EXISTS alice.%I', name);
            WHEN 'view' THEN EXECUTE format('CREATE OR REPLACE VIEW shop.shown AS SELECT id AS %I FROM shop.ledger', name);
            WHEN 'table' THEN EXECUTE format('CREATE TABLE shop.%I (i int)', name); EXECUTE format('GRANT SELECT ON shop.%I TO alice', name);
          END CASE;
        END $$`);
      await owner.query('GRANT EXECUTE ON FUNCTION shop.tend(text, text) TO alice');
      for (const name of frames)
        for (const what of ['index', 'comment', 'drop', 'view', 'table'])
          await hand.bind('SELECT shop.tend($1, $2)', [what, name]);
      for (const name of frames) {
        const quoted = `"${name.replaceAll('"', '""')}"`;
        await hand.say(
          `CREATE FUNCTION alice.${quoted}() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CREATE TABLE IF NOT EXISTS alice.framed (i int DEFAULT 1); END $$`,
          `SELECT alice.${quoted}()`,
          `CREATE FUNCTION alice.${quoted}(int) RETURNS void LANGUAGE sql AS 'COMMENT ON TABLE alice.framed IS $c$framed$c$'`,
          `SELECT alice.${quoted}(1)`,
          block(`EXECUTE $q$CREATE TABLE alice.${quoted} (i int CHECK (tools.break_out()))$q$;`),
          block(`EXECUTE $q$ALTER TABLE alice.own ADD c boolean DEFAULT tools.break_out()$q$;`),
        );
      }
      // What it has made is as it should be, and goes.
      const made = await owner.query<{ go: string }>(
        `SELECT format('DROP %s %s', CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'i' THEN 'INDEX' ELSE 'TABLE' END, oid::regclass) AS go FROM pg_class
          WHERE relnamespace = 'shop'::regnamespace AND relname NOT IN ('ledger', 'ledger_pkey', 'steady', 'under_way')`,
      );
      for (const { go } of made.rows) await owner.query(go);
      await owner.query('COMMENT ON TABLE shop.ledger IS NULL; DROP FUNCTION shop.tend(text, text)');
      await owner.end();
    },
  },
  {
    name: 'the role and the path of a schema statement in a function, said by himself',
    run: [
      `CREATE FUNCTION alice.be_admin() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('lock' || 'step.caller_role', 'postgres', false), set_config('lock' || 'step.caller_path', 'vault', false); RETURN 1; END $$`,
      block(`PERFORM alice.be_admin(); CREATE TABLE alice.by_admin (i int DEFAULT alice.be_admin());`),
      block(`PERFORM 1; CREATE TABLE alice.by_query AS SELECT alice.be_admin();`),
      block(`PERFORM 1; ALTER TABLE alice.by_query ADD more int DEFAULT alice.be_admin();`),
      'SET search_path = lockstep',
      `SELECT note_nested('CREATE TABLE', 'ddl_command_end', 'x')`,
      `SELECT unjudged('x')`,
      `SELECT admit_nested('x', '{1}', '{1}')`,
      `SELECT append_statement('postgres', '', '{}', '${makeSuperuser}')`,
      `SELECT demand_effect('{}')`,
    ],
  },
  {
    name: 'taking away what a schema statement in a function has left behind',
    run: [
      block('PERFORM 1; CREATE TABLE alice.hidden (i int); DISCARD TEMP;'),
      block(
        `PERFORM 1; CREATE TABLE alice.hidden (i int); EXECUTE 'DISCARD TEMP'; INSERT INTO alice.hidden VALUES (1);`,
      ),
      block(`PERFORM 1; CREATE TABLE alice.hidden (i int); EXECUTE 'DROP TABLE pg_temp.lockstep_spill';`),
      block(`PERFORM 1; CREATE TABLE alice.hidden (i int); EXECUTE 'RES' || 'ET ALL';`),
      block(
        `PERFORM 1; CREATE TABLE alice.hidden (i int); EXECUTE 'ALTER TABLE alice.hidden DISABLE TRIGGER ALL'; INSERT INTO alice.hidden VALUES (2);`,
      ),
      block(
        `PERFORM 1; CREATE TABLE alice.hidden (i int); EXECUTE 'DROP TRIGGER "!lockstep_inserted" ON alice.hidden'; INSERT INTO alice.hidden VALUES (3);`,
      ),
    ],
  },
  {
    name: 'errors that look like those of a member',
    only: 'through the node',
    run: raised(errorsOfMembers),
  },
  ...errorsOfLockstep.map(
    (code): Attack => ({
      name: `an error ${code}, as only Lockstep raises it`,
      only: 'through the node',
      run: raised([code]),
    }),
  ),
];
