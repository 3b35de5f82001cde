import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CommitRecord, LogReader } from '../../../src/dialects/contract.ts';
import { logSegments, PostgresCatalog, PostgresMember } from '../../../src/dialects/postgres/index.ts';
import { openSpool } from '../../../src/dialects/spool.ts';
import { withServers } from '../../support/index.ts';

const fixture = withServers(1);
let member: PostgresMember;
let reader: LogReader;
const ask = (sql: string) => fixture.servers[0]?.query(sql);

beforeAll(async () => {
  const [server] = fixture.servers;
  if (server === undefined) throw new Error('there is a server');
  const { port, database, user } = server;
  const address = {
    memberId: 'a',
    host: '127.0.0.1',
    port,
    tls: { mode: 'disable' as const },
    connectMs: 5000,
  };
  const spool = () => openSpool({ directory: '/nonexistent', memoryBytes: 1 << 30 });
  member = new PostgresMember(
    { id: 'a', address, database, user, password: undefined, maxMessageBytes: 1 << 20 },
    { catalog: new PostgresCatalog(), spool, primaryId: () => 'a' },
  );
  await member.enroll({ clusterId: 'c', version: 1, active: ['a'], baseCsn: 0 });
  reader = await member.log.openReader();
});
afterAll(() => reader.close());

async function bytesOf({ writeSet }: CommitRecord): Promise<string | null> {
  if (writeSet === null) return null;
  const parts: Buffer[] = [];
  for await (const part of writeSet.parts()) parts.push(part);
  return Buffer.concat(parts).toString();
}

/** Page after page, as far as it goes. */
async function readAll(bytesMax: number, upToCsn = 1_000_000): Promise<(readonly [number, string | null])[]> {
  const all: (readonly [number, string | null])[] = [];
  for (let afterCsn = 0; afterCsn < upToCsn; ) {
    const page = await reader.read({ afterCsn, upToCsn, bytesMax });
    for (const record of page.records) all.push([record.csn, await bytesOf(record)]);
    expect(page.upToCsn).toBeGreaterThan(afterCsn);
    afterCsn = page.upToCsn;
  }
  return all;
}

test('log reader: an empty log is one empty page', async () => {
  expect(await reader.read({ afterCsn: 0, upToCsn: 7, bytesMax: 100 })).toEqual({
    records: [],
    upToCsn: 7,
    baseCsn: 0,
  });
});

test('log reader: pages of any size hold every record once, whole, and in order, whatever segments they are in', async () => {
  // Gaps, dead places, records in several parts, and segments in turn.
  await ask(
    `INSERT INTO lockstep.log SELECT (n / 100) % ${logSegments}, n * 2, part, 1, CASE WHEN n % 10 = 0 THEN NULL ELSE convert_to(n || '/' || part || ';', 'UTF8') END
       FROM generate_series(1, 2500) n, generate_series(1, CASE WHEN n % 7 = 0 AND n % 10 <> 0 THEN 3 ELSE 1 END) part`,
  );
  const expected = Array.from({ length: 2500 }, (_, index) => {
    const n = index + 1;
    if (n % 10 === 0) return [n * 2, null];
    return [n * 2, n % 7 === 0 ? `${n}/1;${n}/2;${n}/3;` : `${n}/1;`];
  });
  for (const bytesMax of [200, 1000, 64_000, 4 << 20]) expect(await readAll(bytesMax)).toEqual(expected);
  // Less than one record is one record, also when it has several parts.
  expect((await readAll(1, 100)).length).toBe(50);
  const { records, upToCsn } = await reader.read({ afterCsn: 10, upToCsn: 21, bytesMax: 1 << 20 });
  expect(records.map(({ csn }) => csn)).toEqual([12, 14, 16, 18, 20]);
  expect(upToCsn).toBe(21);
});

test('log reader: a record larger than a page comes alone and whole', async () => {
  await ask(
    `TRUNCATE lockstep.log; INSERT INTO lockstep.log SELECT 0, 5, part, 1, convert_to(repeat(part::text, 100000), 'UTF8') FROM generate_series(1, 9) part;
     INSERT INTO lockstep.log VALUES (0, 6, 1, 1, 'x')`,
  );
  const page = await reader.read({ afterCsn: 0, upToCsn: 10, bytesMax: 250_000 });
  expect(page).toMatchObject({ upToCsn: 5, baseCsn: 0 });
  const [record] = page.records;
  const whole = Array.from({ length: 9 }, (_, index) => String(index + 1).repeat(100_000)).join('');
  expect(record && (await bytesOf(record))).toBe(whole);
  expect((await readAll(250_000, 10)).map(([csn]) => csn)).toEqual([5, 6]);
});

test('log reader: a page tells where the log began when it was read', async () => {
  await ask(
    `TRUNCATE lockstep.log; INSERT INTO lockstep.log VALUES (1, 5, 1, 1, 'x'), (1, 6, 1, 1, 'x'), (2, 7, 1, 1, 'x')`,
  );
  expect((await reader.read({ afterCsn: 4, upToCsn: 9, bytesMax: 100 })).baseCsn).toBe(0);
  await member.dropSegment(1, 7);
  expect(await reader.read({ afterCsn: 4, upToCsn: 9, bytesMax: 100 })).toMatchObject({ baseCsn: 6 });
});
