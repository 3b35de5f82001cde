/** What a real server says to the scripts. Recorded anew for each run: what the node asks changes with the node. */

import type { PostgresServer } from '../../src/testing/index.ts';
import { clusterId, memberAt, memberScripts } from './member-scripts.ts';
import type { Call } from './member-scripts.ts';
import type { RecordedSession } from './recorded.ts';
import { Recorder } from './recorder.ts';

export async function recordMembers(
  server: PostgresServer,
  directory: string,
): Promise<ReadonlyMap<string, RecordedSession>> {
  await server.query(`CREATE TABLE fuzzed (id int PRIMARY KEY, note text)`);
  await server.query(`INSERT INTO fuzzed SELECT n, 'note ' || n FROM generate_series(1, 5) n`);
  await server.query(`CREATE TABLE deferring (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED)`);
  const place = { user: server.user, database: server.database, directory };
  const direct = memberAt({ ...place, port: server.port });
  await direct.enroll({ clusterId, version: 1, active: ['db1'], baseCsn: 0 });
  await direct.raiseTerm(1);
  const recorder = await Recorder.listen(server.port);
  const sessions = new Map<string, RecordedSession>();
  // What is refused here is refused when it is played.
  const call: Call = (_, work) => work().catch(() => undefined);
  for (const [name, script] of Object.entries(memberScripts)) {
    const member = memberAt({ ...place, port: recorder.port });
    await script(member, call);
    member.close();
    sessions.set(name, recorder.take());
  }
  recorder.close();
  return sessions;
}
