/** Whose fault a refused record is, with streams that say what the test wants. */

import { expect, test } from 'vitest';
import { InvariantError, systemClock } from '../../src/base/index.ts';
import { isOfContent } from '../../src/cluster/apply/refusal.ts';
import { RefusedRecords } from '../../src/cluster/apply/refused-records.ts';
import type { RefusedRecordsOptions } from '../../src/cluster/apply/refused-records.ts';
import { MemberError } from '../../src/dialects/contract.ts';
import { waitFor } from '../support/wait-for.ts';

interface Stream {
  readonly member: { readonly id: string };
  appliedCsn: number;
  refusedCsn: number | undefined;
  ended: boolean;
}

function setting(ids: readonly string[], more: Partial<RefusedRecordsOptions> = {}) {
  const said: string[] = [];
  const streams = ids.map(
    (id): Stream => ({ member: { id }, appliedCsn: 6, refusedCsn: undefined, ended: false }),
  );
  const stopped = new AbortController();
  const records = new RefusedRecords({
    world: { clock: systemClock, raise: () => undefined },
    stopped: stopped.signal,
    counting: () => streams,
    doubt: () => undefined,
    trust: () => undefined,
    onFailed: (id: string, { blame }: MemberError) => said.push(`${id} is ${blame}`),
    primaryIsLost: () => false,
    primaryAnswers: () => Promise.resolve(true),
    takeOut: (csn: number, errors: ReadonlyMap<string, MemberError>) => {
      said.push(`${csn} is refused by ${[...errors.keys()].join()}`);
      for (const stream of streams) stream.ended = true;
      return Promise.resolve();
    },
    revoke: (csn: number) => said.push(`${csn} is dead`),
    ...more,
  } as unknown as RefusedRecordsOptions);
  const refuse = (index: number, blame: 'client' | 'unfit' = 'client'): void => {
    const stream = streams[index] as Stream;
    stream.refusedCsn = 7;
    records.note(stream.member.id, 7, new MemberError(stream.member.id, blame, 'no', 'XX000'));
  };
  return { said, streams, refuse, stop: () => stopped.abort() };
}

const told = (said: readonly string[]) => waitFor(() => said.length > 0, { what: 'the verdict' });

test('refused records: what all refuse is the record’s fault, said when the last one has refused', async () => {
  const { said, refuse, stop } = setting(['b', 'c']);
  refuse(0);
  refuse(1);
  await told(said);
  expect(said).toEqual(['7 is refused by b,c']);
  stop();
});

test('refused records: who refuses what another one applies is at fault; nothing is said before that is known', async () => {
  const { said, streams, refuse, stop } = setting(['b', 'c']);
  refuse(0);
  (streams[1] as Stream).appliedCsn = 7;
  await told(said);
  expect(said).toEqual(['b is diverged']);
  stop();
});

test('refused records: one that cannot work with it is unfit, not different', async () => {
  const { said, streams, refuse, stop } = setting(['b', 'c']);
  (streams[1] as Stream).appliedCsn = 9;
  refuse(0, 'unfit');
  await told(said);
  expect(said).toEqual(['b is unfit']);
  stop();
});

test('refused records: who is no replica any more is not waited for', async () => {
  const { said, streams, refuse, stop } = setting(['b', 'c']);
  (streams[1] as Stream).ended = true;
  refuse(0);
  await told(said);
  expect(said).toEqual(['7 is refused by b']);
  stop();
});

test('refused records: nobody is taken out while the primary does not answer; when it is lost, the record is dead', async () => {
  let asked = 0;
  const { said, refuse, stop } = setting(['b'], {
    primaryAnswers: () => Promise.resolve(++asked < 0),
    primaryIsLost: () => asked > 1,
  });
  refuse(0);
  await told(said);
  expect([said, asked]).toEqual([['7 is dead'], 2]);
  stop();
});

test.each([
  ['client', '23514', true],
  ['diverged', 'LS004', true],
  ['unfit', 'XX000', true],
  ['unfit', 'XX001', false],
  ['unfit', '53100', false],
  ['unfit', undefined, false],
  ['retry', '40P01', false],
  ['gone', undefined, false],
  ['fenced', 'LS001', false],
] as const)(
  'refused records: an error of blame %s and state %s is of the content: %s',
  (blame, sqlState, of) => {
    expect(isOfContent(new MemberError('b', blame, 'no', sqlState))).toBe(of);
  },
);

test('refused records: a record that cannot be read is one too, and a broken connection is not', () => {
  expect(isOfContent(new InvariantError('a write set is not as it should be'))).toBe(true);
  expect(isOfContent(new Error('ECONNRESET'))).toBe(false);
});
