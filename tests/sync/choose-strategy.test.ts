import { expect, test } from 'vitest';
import { chooseByLog } from '../../src/cluster/sync/choose-strategy.ts';

/** What a member says whose synchronisation did not finish. */
function chooseFor(incomplete: string): string {
  const marks = { clusterId: 'c', memberId: 'db2', version: 1, active: [], baseCsn: 0, writtenAround: false };
  const choice = chooseByLog({
    clusterId: 'c',
    memberId: 'db2',
    report: {
      serverVersion: '18',
      term: 1,
      lastCsn: 5,
      dangers: [],
      unlogged: false,
      marks: { ...marks, incomplete },
    },
    wholeUpToCsn: 0,
    differs: false,
    theirs: [],
    ours: [],
    cluster: { term: 1, baseCsn: 0, upToCsn: 9 },
    windowCsns: 100,
  });
  return choice.reason;
}

test('sync: attempts that fail one after the other do not make the mark grow', () => {
  let mark = 'diff: its log has CSN 5 of term 1, which the cluster does not have';
  for (let attempt = 0; attempt < 50; attempt++) mark = `full: ${chooseFor(mark)}`;
  expect(mark).toBe('full: its last synchronisation did not finish (full)');
});
