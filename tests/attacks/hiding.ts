/** Writes that capture might not see, and work of COMMIT that comes behind it. */

import type { Attack } from './attack.ts';
import { block } from './attack.ts';

const brin = [
  'CREATE TABLE alice.ranges (i int)',
  'INSERT INTO alice.ranges VALUES (1)',
  'CREATE INDEX ranges_i ON alice.ranges USING brin (tools.write_quietly(i)) WITH (pages_per_range = 1)',
  `SELECT brin_desummarize_range('alice.ranges_i', 0), brin_summarize_range('alice.ranges_i', 0)`,
  `SELECT brin_summarize_new_values('alice.ranges_i')`,
  'VACUUM alice.ranges',
];

const again = `CREATE FUNCTION alice.once_more() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO alice.other VALUES (1000 + NEW.i, 'late');
  IF NEW.i < 4 THEN SET CONSTRAINTS alice.more DEFERRED; INSERT INTO alice.chain VALUES (NEW.i + 1); END IF;
  RETURN NULL;
END $$`;

export const hiding: readonly Attack[] = [
  {
    name: 'a view over a function that writes, made and refreshed',
    run: [
      'CREATE VIEW alice.v AS SELECT tools.write(7) AS n',
      'SELECT * FROM alice.v',
      'CREATE MATERIALIZED VIEW alice.m AS SELECT tools.write(1) AS n',
      'CREATE MATERIALIZED VIEW alice.empty AS SELECT tools.write(2) AS n WITH NO DATA',
      'REFRESH MATERIALIZED VIEW alice.empty',
      'BEGIN',
      'INSERT INTO alice.own VALUES (1)',
      'REFRESH MATERIALIZED VIEW alice.empty',
      'INSERT INTO alice.own VALUES (2)',
      'COMMIT',
      block('REFRESH MATERIALIZED VIEW alice.empty;'),
    ],
  },
  {
    name: 'an index over a function that writes',
    run: [
      'INSERT INTO alice.own VALUES (1), (2)',
      'CREATE INDEX written ON alice.own (tools.write_quietly(i))',
      'INSERT INTO alice.own VALUES (3)',
      'ANALYZE alice.own',
      'REINDEX INDEX alice.written',
      'VACUUM FULL alice.own',
      'CREATE STATISTICS alice.st ON (tools.write_quietly(i)), (i + 1) FROM alice.own',
      'ANALYZE alice.own',
    ],
  },
  { name: 'summarizing ranges by a function that writes', run: brin },
  {
    name: 'cursors that COMMIT runs to their end',
    run: [
      'BEGIN',
      'DECLARE held CURSOR WITH HOLD FOR SELECT tools.write(i) FROM generate_series(1, 5) i',
      'FETCH 1 FROM held',
      'COMMIT',
      'CLOSE held',
      'BEGIN',
      'DECLARE held NO SCROLL CURSOR WITH HOLD FOR SELECT tools.write(i) FROM generate_series(11, 15) i',
      'INSERT INTO alice.own VALUES (1)',
      'COMMIT',
      'DECLARE alone CURSOR WITH HOLD FOR SELECT tools.write(i) FROM generate_series(21, 25) i',
      block(`EXECUTE 'DECLARE inner_one CURSOR WITH HOLD FOR SELECT tools.write(31)';`),
      'FETCH ALL FROM held',
    ],
  },
  {
    name: 'triggers that are deferred again at COMMIT',
    run: [
      'CREATE TABLE alice.chain (i int)',
      again,
      'CREATE CONSTRAINT TRIGGER more AFTER INSERT ON alice.chain DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION alice.once_more()',
      'INSERT INTO alice.chain VALUES (1)',
      'BEGIN',
      'INSERT INTO alice.chain VALUES (1)',
      'COMMIT',
      'BEGIN',
      'INSERT INTO alice.chain VALUES (1)',
      'SET CONSTRAINTS ALL IMMEDIATE',
      'COMMIT',
    ],
  },
  {
    name: 'a trigger that is deferred again and then fails',
    run: [
      'CREATE TABLE alice.chain (i int)',
      `CREATE FUNCTION alice.once_more() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.i > 2 THEN RAISE EXCEPTION 'changed my mind'; END IF; SET CONSTRAINTS alice.more DEFERRED; INSERT INTO alice.chain VALUES (NEW.i + 1); RETURN NULL; END $$`,
      'CREATE CONSTRAINT TRIGGER more AFTER INSERT ON alice.chain DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION alice.once_more()',
      'INSERT INTO alice.chain VALUES (1)',
      'BEGIN',
      `INSERT INTO shop.ledger VALUES (90, 'alice', 'rolled back')`,
      'INSERT INTO alice.chain VALUES (1)',
      'COMMIT',
    ],
  },
  {
    name: 'a cursor that fails while COMMIT runs it',
    run: [
      'BEGIN',
      'INSERT INTO alice.own VALUES (1)',
      'DECLARE held CURSOR WITH HOLD FOR SELECT 1 / (3 - i) FROM generate_series(1, 5) i',
      'COMMIT',
      'BEGIN',
      'INSERT INTO alice.own VALUES (2)',
      'DECLARE held CURSOR WITH HOLD FOR SELECT tools.write(i), 1 / (3 - i) FROM generate_series(1, 5) i',
      'COMMIT',
    ],
  },
  {
    name: 'a trigger that ends or cancels its own session at COMMIT',
    only: 'through the node',
    run: async ({ hand }) => {
      await hand.say('CREATE TABLE alice.ends (how text)');
      await hand.say(
        `CREATE FUNCTION alice.ends() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.how = 'terminate' THEN PERFORM pg_terminate_backend(pg_backend_pid()); ELSE PERFORM pg_cancel_backend(pg_backend_pid()); END IF; PERFORM pg_sleep(0.2); RETURN NULL; END $$`,
      );
      await hand.say(
        'CREATE CONSTRAINT TRIGGER ends AFTER INSERT ON alice.ends DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION alice.ends()',
      );
      await hand.another().say(`INSERT INTO alice.ends VALUES ('cancel')`);
      await hand.another().say(`INSERT INTO alice.ends VALUES ('terminate')`);
      await hand.another().say('BEGIN', `INSERT INTO alice.ends VALUES ('terminate')`, 'COMMIT');
    },
  },
  {
    name: 'schema statements inside functions',
    run: [
      block(`CREATE TABLE alice.inner_1 (i int);`),
      block(`EXECUTE 'CREATE TABLE alice.inner_2 (i int)'; INSERT INTO alice.inner_2 VALUES (1);`),
      block(`EXECUTE 'SELECT 5 AS i INTO alice.selected';`),
      block(`SET search_path = alice; CREATE TABLE found (i int);`),
      block(`EXECUTE 'ALTER TABLE alice.own ADD hidden int';`),
      block(`EXECUTE 'DROP TABLE alice.other';`),
      block(`EXECUTE 'GRANT SELECT ON alice.own TO mallory';`),
      block(`EXECUTE 'COMMENT ON TABLE alice.own IS ''x''';`),
    ],
  },
  {
    name: 'tables and views that no event tells of',
    // At a member, where there is nobody to look for them, they are found by verification.
    only: 'through the node',
    run: [
      block(
        `EXECUTE 'EXPLAIN (ANALYZE) CREATE TABLE alice.explained AS SELECT 1 AS i'; EXECUTE 'INSERT INTO alice.explained VALUES (2)';`,
      ),
      'CREATE FUNCTION alice.explain() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE $q$EXPLAIN (ANALYZE) CREATE TABLE alice.explained2 AS SELECT 1 AS i$q$; EXECUTE $q$INSERT INTO alice.explained2 VALUES (2)$q$; END $$',
      'SELECT alice.explain()',
      'BEGIN',
      'SELECT alice.explain()',
      'INSERT INTO alice.explained2 VALUES (3)',
      'COMMIT',
      'SELECT count(alice.explain())',
      block(`EXECUTE 'EXPLAIN (ANALYZE) CREATE MATERIALIZED VIEW alice.explained3 AS SELECT 1 AS i';`),
    ],
  },
  {
    name: 'procedures that commit inside',
    run: [
      `CREATE PROCEDURE alice.commits() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO alice.own VALUES (1); COMMIT; INSERT INTO alice.own VALUES (2); ROLLBACK; INSERT INTO alice.own VALUES (3); END $$`,
      'CALL alice.commits()',
      block('INSERT INTO alice.own VALUES (4); COMMIT; INSERT INTO alice.own VALUES (5);'),
      `CREATE PROCEDURE alice.fails() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO alice.own VALUES (6); COMMIT; RAISE EXCEPTION 'now'; END $$`,
      'CALL alice.fails()',
    ],
  },
  {
    name: 'statements prepared under the names of Lockstep',
    run: async ({ hand, stage }) => {
      const names = [
        'lockstep_commit',
        'lockstep_begin',
        'lockstep_row',
        'lockstep_constraints',
        'lockstep_count',
        'lockstep_counts',
        'lockstep_fence',
        'lockstep_lock_schema',
        'lockstep_record',
        'lockstep_done',
        'lockstep_sweep',
        'lockstep_sweep_moved',
        'lockstep_spill',
        'lockstep_spilled',
        'lockstep_statement',
        'lockstep_missing',
        'lockstep_net',
        ...Array.from({ length: 8 }, (_, n) => `lockstep_finish_${n}`),
      ];
      const plant = names
        .map(
          (name) =>
            `BEGIN EXECUTE 'DEALLOCATE ${name}'; EXCEPTION WHEN OTHERS THEN NULL; END; BEGIN EXECUTE 'PREPARE ${name} AS SELECT tools.grab()'; EXCEPTION WHEN OTHERS THEN NULL; END;`,
        )
        .join(' ');
      await hand.say(
        'INSERT INTO alice.own VALUES (1)',
        'CREATE TABLE alice.first (i int)',
        'BEGIN',
        'INSERT INTO alice.own VALUES (2)',
        'COMMIT',
      );
      await hand.say('SELECT name, statement, parameter_types::text FROM pg_prepared_statements');
      for (const name of names)
        await hand.say(
          `EXECUTE ${name}`,
          `EXECUTE ${name}(1, 1)`,
          `DEALLOCATE ${name}`,
          `PREPARE ${name} AS SELECT 1`,
        );
      await hand.say(
        block(plant),
        'INSERT INTO alice.own VALUES (3)',
        'BEGIN',
        'INSERT INTO alice.own VALUES (4)',
        block(plant),
        'COMMIT',
        'BEGIN',
        'INSERT INTO alice.own VALUES (5)',
        block('DEALLOCATE ALL;'),
        'COMMIT',
      );
      // A statement that takes what is bound to it.
      const thief = hand.another();
      await thief.say('CREATE TEMP TABLE loot (what text)', 'INSERT INTO alice.own VALUES (6)');
      await thief.say(
        `CREATE FUNCTION alice.steal(text, text) RETURNS bytea LANGUAGE plpgsql AS $$ BEGIN RAISE INFO '% %', $1, $2; RETURN NULL; END $$`,
      );
      await thief.say(
        block(
          names
            .map(
              (name) =>
                `BEGIN EXECUTE 'DEALLOCATE ${name}'; EXCEPTION WHEN OTHERS THEN NULL; END; BEGIN EXECUTE 'PREPARE ${name}(text, text) AS SELECT alice.steal($1, $2)'; EXCEPTION WHEN OTHERS THEN NULL; END;`,
            )
            .join(' '),
        ),
      );
      await thief.say(
        'INSERT INTO alice.own VALUES (7)',
        'BEGIN',
        'INSERT INTO alice.own VALUES (8)',
        'COMMIT',
        'CREATE TABLE alice.second (i int)',
      );
      void stage;
    },
  },
  {
    name: 'rows moved by inheritance, rules, and views that write',
    run: [
      'CREATE TABLE alice.child () INHERITS (alice.other)',
      `INSERT INTO alice.child VALUES (1, 'x')`,
      `UPDATE alice.other SET t = 'y'`,
      'CREATE VIEW alice.seen AS SELECT * FROM alice.other',
      `INSERT INTO alice.seen VALUES (2, 'z')`,
      'CREATE RULE also AS ON INSERT TO alice.own DO ALSO INSERT INTO alice.other VALUES (NEW.i, NEW.t)',
      `INSERT INTO alice.own VALUES (1, 'r')`,
      `WITH x AS (DELETE FROM alice.other RETURNING *) INSERT INTO alice.own SELECT i + 100, t FROM x ON CONFLICT DO NOTHING`,
      'ALTER TABLE alice.child NO INHERIT alice.other',
      `INSERT INTO alice.child VALUES (3, 'x')`,
      'SELECT lo_create(0)',
      `SELECT lo_from_bytea(0, 'x')`,
    ],
  },
];
