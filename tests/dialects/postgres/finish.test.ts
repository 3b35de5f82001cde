import { expect, test } from 'vitest';
import { withServers } from '../../support/index.ts';
import { createControlSchema } from '../../../src/dialects/postgres/control-schema.ts';
import { cloneDatabase, connectMember } from './member-connection.ts';

const fixture = withServers(1);

test('finish: no timeout of the client’s strikes between it and COMMIT', async () => {
  const [server] = fixture.servers;
  if (server === undefined) throw new Error('there is a server');
  const connection = await connectMember(server);
  await connection.query('CREATE TABLE t (id int)');
  await connection.query(createControlSchema({ superuser: true }));
  await connection.query(`SELECT lockstep.attach(), lockstep.raise_term(1), lockstep.admit(1, sha256('secret'));
    SELECT lockstep.open_session('secret'); SET statement_timeout = 200`);
  await connection.query('BEGIN; INSERT INTO t VALUES (1)');
  await expect(connection.rows('SELECT pg_sleep(5)')).rejects.toThrow('statement timeout');
  await connection.query(
    'ROLLBACK; BEGIN; INSERT INTO t VALUES (1); SELECT lockstep.finish_0($$secret$$, 1, 1, $$token$$)',
  );
  await connection.rows('SELECT pg_sleep(0.4)');
  await connection.query('COMMIT');
  expect(await connection.rows('SHOW statement_timeout')).toEqual([['200ms']]);
  expect(await connection.rows('SELECT count(*) FROM lockstep.log')).toEqual([['1']]);
});

test('finish: a term that is over commits nothing and applies nothing', async () => {
  const server = fixture.server(0);
  const connection = await connectMember(server, { database: await cloneDatabase(server, 'template1') });
  await connection.query('CREATE TABLE t (id int)');
  await connection.query(createControlSchema({ superuser: true }));
  await connection.query(
    `SELECT lockstep.attach(), lockstep.raise_term(2), lockstep.admit(2, sha256('secret'));
     SELECT lockstep.open_session('secret'); SET statement_timeout = 0`,
  );
  for (const commit of [
    `lockstep.finish_0('secret', 1, 1, 'token')`,
    `lockstep.finish_large('secret', 0::int2, 1, 1, 'token')`,
    'lockstep.fence(1)',
  ]) {
    await connection.query('BEGIN; INSERT INTO t VALUES (1)');
    await expect(connection.rows(`SELECT ${commit}`), commit).rejects.toThrow('term 1 is over');
    await connection.query('ROLLBACK');
  }
  await connection.query(
    `BEGIN; INSERT INTO t VALUES (2); SELECT lockstep.finish_0('secret', 1, 2, 'token'); COMMIT`,
  );
  expect(await connection.rows('SELECT id FROM t')).toEqual([['2']]);
});
