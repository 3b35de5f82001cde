/** Behind the login: what drivers say, with anything wrong in it, several at a time. Each hears its own answers only. */

import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import * as fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { compareMembers } from '../../src/testing/index.ts';
import { cancelRequest, frontend } from '../../src/wire/postgres/index.ts';
import { connect as connectSocket } from 'node:net';
import { expectNothingLeft, placeOf, whileOthersWork } from '../bad-input/harm.ts';
import { connect, withNode, withServers } from '../support/index.ts';
import { describe as inWords, errorOf, ProtocolClient } from '../support/protocol-client.ts';
import { fuzz, fuzzTimeoutMs } from './fuzz-run.ts';
import { foreignMarks, marked, markOf, placeholder } from './marks.ts';
import { cut, cuts, frame, mutate, mutations } from './mutations.ts';
import type { Mutation } from './mutations.ts';
import { framesOf, readCorpus } from './recorded.ts';

const share = { share: 0.25 };

const sessionsAtOnce = 4;

const corpus: ReadonlyMap<string, readonly Buffer[]> = new Map(
  [...readCorpus()].map(([name, connections]) => [
    name,
    framesOf(Buffer.concat(connections.flat().map(({ client }) => client))).filter(
      // Whoever says goodbye is not asked any more.
      ([type]) => type !== 0x58,
    ),
  ]),
);

const { bind, close, copyData, copyDone, copyFail, execute, flush, parse, query, sync } = frontend;
const large = `'${`${placeholder} `.repeat(40_000)}'`;

/** Right by themselves. */
const outOfPlace: readonly Buffer[] = [
  sync,
  flush,
  copyDone,
  copyFail('no'),
  copyData(Buffer.from(`5\t${placeholder}\n`)),
  execute(),
  execute('', 1),
  bind({ values: [] }),
  bind({ statement: 'read', values: ['1'] }),
  parse({ name: 'read', query: `SELECT '${placeholder}'` }),
  parse({ query: `COPY t_${placeholder} FROM STDIN` }),
  close('statement', 'read'),
  close('portal'),
  frontend.describe('statement', 'insert'),
  frontend.describe('portal'),
  query(''),
  query('BEGIN'),
  query('COMMIT'),
  query('ROLLBACK'),
  query('DISCARD ALL'),
  query(`SELECT '${placeholder}'; SELEC`),
  query(`SELECT pg_sleep(0.05), '${placeholder}'`),
  query(`SELECT ${large}`),
  parse({ query: `SELECT ${large}` }),
  query(`COPY t_${placeholder} FROM STDIN`),
  query(`COPY t_${placeholder} TO STDOUT`),
  frame(0x46, Buffer.alloc(12)),
  frame(0x70, Buffer.from('secret\0')),
  frontend.saslResponse(Buffer.from('c=biws')),
];

type Ending = 'stays' | 'half-closes' | 'tears' | 'cancels';

interface Said {
  readonly session: string;
  readonly wrong: readonly Mutation[];
  readonly cuts: readonly number[];
  readonly ending: Ending;
}

const sessions: fc.Arbitrary<Said> = fc.record({
  session: fc.constantFrom(...corpus.keys()),
  wrong: fc.oneof({ weight: 1, arbitrary: fc.constant([]) }, { weight: 6, arbitrary: mutations(outOfPlace) }),
  cuts,
  ending: fc.constantFrom('stays', 'stays', 'half-closes', 'tears', 'cancels'),
});

describe('clients that say anything', () => {
  const servers = withServers(2);
  const node = withNode(servers);
  const place = placeOf(servers, node);

  beforeAll(async () => {
    const admin = await connect(node.url);
    for (let n = 1; n <= sessionsAtOnce; n++)
      await admin.query(`CREATE TABLE t_${markOf(n)} (n int, mark text)`);
    await admin.end();
  });

  async function converse(said: Said, mark: string): Promise<void> {
    const client = await ProtocolClient.connect(node.url);
    const closed = client.socket.closed ? Promise.resolve() : once(client.socket, 'close');
    const frames = mutate(corpus.get(said.session) ?? [], said.wrong);
    for (const piece of cut(marked(Buffer.concat(frames), mark), said.cuts)) {
      if (!client.socket.writable) break;
      client.socket.write(piece);
      await turn();
    }
    if (said.ending === 'cancels') await cancel(client, node.port);
    if (said.ending === 'tears') client.socket.resetAndDestroy();
    // Whatever state it is in, and be it in a COPY, here it ends.
    else if (said.ending === 'half-closes') client.socket.end();
    else if (client.socket.writable)
      client.send(sync, copyDone, sync, query('ROLLBACK'), query(`SELECT '${mark} lives'`)).socket.end();
    await Promise.race([closed, late()]);
    const heard = Buffer.concat(client.heard.map(({ frame: bytes }) => bytes));
    expect(foreignMarks(heard, mark)).toEqual([]);
    const errors = client.heard.filter(({ type }) => type === 'E').map((message) => errorOf([message]));
    for (const { message } of errors) expect(message).not.toMatch(/internal error/);
    const cutOff = said.ending === 'tears' || said.ending === 'half-closes' || swallows(said.wrong);
    if (!cutOff && errors.at(-1)?.severity !== 'FATAL')
      expect(client.heard.map(inWords)).toContain(`D ${mark} lives`);
  }

  test('hear their own answers or an error, and nobody else notices', {
    timeout: fuzzTimeoutMs(share),
  }, async () => {
    const several = fc.array(sessions, { minLength: 1, maxLength: sessionsAtOnce });
    const rss = process.memoryUsage.rss();
    await whileOthersWork(place(), async () => {
      await fuzz('clients', several, share, async (all) => {
        await Promise.all(all.map((said, n) => converse(said, markOf(n + 1))));
      });
    });
    await expectNothingLeft(place());
    expect(process.memoryUsage.rss() - rss).toBeLessThan(600 << 20);
    const asks = servers.servers.map(
      (server, n) => [`db${n + 1}`, (sql: string) => server.query(sql)] as const,
    );
    expect(await compareMembers(Object.fromEntries(asks), { ignore: /^lockstep\./ })).toEqual([]);
  });

  test('would be convicted of hearing what others asked for', async () => {
    const client = await ProtocolClient.connect(node.url);
    client.send(query(`SELECT '${markOf(2)}'`));
    const heard = Buffer.concat((await client.until('Z')).map(({ frame: bytes }) => bytes));
    client.close();
    expect(foreignMarks(heard, markOf(1))).toEqual([markOf(2)]);
    expect(foreignMarks(heard, markOf(2))).toEqual([]);
  });
});

/** A length too great takes in all that comes behind it. */
function swallows(wrong: readonly Mutation[]): boolean {
  return wrong.some(({ kind }) => kind !== 'drop' && kind !== 'repeat' && kind !== 'swap');
}

async function cancel({ cancelKey: { pid, key } }: ProtocolClient, port: number): Promise<void> {
  const socket = connectSocket(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.resume();
  socket.end(cancelRequest(pid, key));
  await once(socket, 'close');
}

async function late(): Promise<never> {
  await new Promise((resolve) => setTimeout(resolve, 60_000).unref());
  throw new Error('the connection did not end within a minute');
}
