/**
 * A whole node, one of whose members says that it is ready before it is, counts wrong, cuts off what it says. Clients notice nothing
 * but a pause: none waits for ever, none hears another's answer, and what they were told is so on every member.
 */

import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compareMembers } from '../../src/testing/index.ts';
import { backend, frontend, TransactionStatus } from '../../src/wire/postgres/index.ts';
import { FreshCluster } from '../failure/fresh-cluster.ts';
import { withServers } from '../support/index.ts';
import { ProtocolClient } from '../support/protocol-client.ts';
import { fuzz, fuzzTimeoutMs } from './fuzz-run.ts';
import { LyingProxy } from './lying-proxy.ts';
import type { Lie } from './lying-proxy.ts';
import { foreignMarks, markOf } from './marks.ts';
import { cuts, frame } from './mutations.ts';

const share = { share: 0.25 };

const sessionsAtOnce = 4;
const requestsEach = 6;
/** While no member answers, the node lets nobody wait for longer. */
const outageMs = 20_000;
/** Longer than anything that the node waits for by itself. */
const answerMs = 30_000;
/** For a member to come back, on a machine that is busy. */
const patientMs = 60_000;

const never: readonly Buffer[] = [
  backend.readyForQuery(TransactionStatus.Idle),
  backend.readyForQuery(TransactionStatus.Open),
  backend.readyForQuery(TransactionStatus.Failed),
  frame(0x5a, Buffer.from('X')),
  backend.commandComplete('INSERT 0 99999999999999999999'),
  backend.commandComplete('ROLLBACK'),
  backend.errorResponse({ severity: 'ERROR', code: '22012', message: 'division by zero' }),
  backend.errorResponse({ severity: 'FATAL', code: '57P01', message: 'terminating' }),
  backend.bindComplete,
  backend.parseComplete,
  backend.noData,
  backend.authenticationOk,
  backend.parameterStatus('server_version', '99'),
  frame(0x47, Buffer.from([0, 0, 1, 0, 0])),
  frame(0x6a, Buffer.from('what is this')),
];

const lies: fc.Arbitrary<Lie> = fc.record({
  every: fc.integer({ min: 1, max: 40 }),
  how: fc.constantFrom('goes ahead', 'goes ahead', 'stands instead', 'is cut off', 'is long', 'is left out'),
  bytes: fc.constantFrom(...never),
  cuts,
  afterwards: fc.constantFrom('goes on', 'goes on', 'closes', 'tears', 'falls silent'),
});

describe('a member that lies', () => {
  const servers = withServers(3);
  let cluster: FreshCluster;
  let proxy: LyingProxy;

  beforeAll(async () => {
    cluster = await FreshCluster.prepare(servers.servers, {
      schema: 'CREATE TABLE kept (mark text PRIMARY KEY)',
      config: {
        deadlines: { commitMs: 1000, connectMs: 2000, outageMs },
        sync: { automatic: true, retryMaxMs: 1000 },
        probe: { intervalMs: 200, timeoutMs: 1000, threshold: 2, backOffMaxMs: 1000 },
      },
    });
    proxy = await LyingProxy.listen(servers.server(1).port);
    const url = new URL(cluster.memberUrl(1));
    url.port = String(proxy.port);
    const members = [cluster.memberUrl(0), url.href, cluster.memberUrl(2)].map((one, at) => ({
      id: `db${at + 1}`,
      url: one,
      // Those who do not lie write; who lies is read from more than others.
      weight: at === 1 ? 3 : 1,
    }));
    await cluster.startNode({ members });
    await cluster.node.switchPrimary('db1');
  });

  afterAll(async () => {
    proxy.tell(undefined);
    await cluster.stop();
    proxy.close();
  });

  let marks = 0;
  const acknowledged = new Set<string>();

  async function work(): Promise<void> {
    const client = await ProtocolClient.connect(cluster.url, { deadlineMs: answerMs });
    for (let n = 0; n < requestsEach; n++) {
      const mark = markOf(++marks % 10_000);
      const row = `${mark} ${marks}`;
      client.heard.length = 0;
      if (n % 3 === 0) client.send(frontend.query(`INSERT INTO kept VALUES ('${row}')`));
      else if (n % 3 === 1) client.send(frontend.query(`SELECT '${mark}', repeat('x', 3000)`));
      else
        client.send(
          frontend.parse({ query: `SELECT mark, '${mark}' FROM kept WHERE mark LIKE $1` }),
          frontend.bind({ values: [`${mark}%`] }),
          frontend.describe('portal'),
          frontend.execute(),
          frontend.sync,
        );
      const heard = await client.until('Z');
      expect(foreignMarks(Buffer.concat(heard.map((message) => message.frame)), mark)).toEqual([]);
      if (n % 3 === 0 && heard.some(({ type }) => type === 'C')) acknowledged.add(row);
    }
    client.send(frontend.terminate);
    client.destroy();
  }

  test('is taken out, clients hear their own answers, and all are equal when it does not any more', {
    timeout: fuzzTimeoutMs(share),
  }, async () => {
    let cases = 0;
    await fuzz('a member that lies', lies, share, async (lie) => {
      // Who lies while it is on its way back is another case.
      if (cases++ % 2 === 0) await cluster.untilActive('db2', patientMs);
      proxy.tell(lie);
      try {
        await Promise.all(Array.from({ length: sessionsAtOnce }, work));
      } finally {
        proxy.tell(undefined);
      }
    });
    expect(proxy.told).toBeGreaterThan(0);
    await cluster.untilActive('db2', patientMs);
    const asks = cluster.members.map(({ id, ask }) => [id, ask] as const);
    expect(await compareMembers(Object.fromEntries(asks), { ignore: /^lockstep\./ })).toEqual([]);
    const kept = new Set((await cluster.members[1]?.ask('SELECT mark FROM kept'))?.map(([mark]) => mark));
    expect([...acknowledged].filter((mark) => !kept.has(mark))).toEqual([]);
  });

  test(
    'is taken out while it lies in all it says, and others go on',
    async () => {
      proxy.tell({
        every: 1,
        how: 'goes ahead',
        bytes: never[0] as Buffer,
        cuts: [1 << 20],
        afterwards: 'goes on',
      });
      const reason = await cluster.untilInactive('db2', patientMs);
      expect(reason).not.toBe('no reason is given');
      await work();
      proxy.tell(undefined);
      await cluster.untilActive('db2', patientMs);
    },
    3 * patientMs,
  );
});
