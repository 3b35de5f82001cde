import { expect, test } from 'vitest';
import { waitFor, withServers } from '../../support/index.ts';
import { connectMember, enrolledMember } from './member-connection.ts';

const fixture = withServers(1);

test('probe: a log that is emptied while it is asked for ends where it was emptied up to', async () => {
  const [server] = fixture.servers;
  if (server === undefined) throw new Error('there is a server');
  const member = await enrolledMember(server);
  await server.query(`INSERT INTO lockstep.log VALUES (1, 5, 1, 1, 'x'), (2, 7, 1, 1, 'x')`);
  expect((await member.probe()).lastCsn).toBe(7);

  const other = await connectMember(server);
  await other.query(
    `BEGIN; LOCK TABLE lockstep.log IN ACCESS EXCLUSIVE MODE; UPDATE lockstep.member SET base_csn = 7; TRUNCATE lockstep.log`,
  );
  const probed = member.probe();
  await waitFor(
    async () => {
      const [row] = await server.query(`SELECT count(*) FROM pg_locks WHERE NOT granted`);
      return row?.[0] !== '0';
    },
    { what: 'the probe waits for the log' },
  );
  await other.query('COMMIT');
  expect((await probed).lastCsn).toBe(7);
});
