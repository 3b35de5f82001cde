import { expect, test } from 'vitest';
import { chooseByLog } from '../../src/cluster/sync/choose-strategy.ts';
import type { Findings } from '../../src/cluster/sync/choose-strategy.ts';
import type { LoggedPlace } from '../../src/dialects/contract.ts';

const place = (csn: number): LoggedPlace => ({ csn, term: 1, slot: 0, dead: false });

/** A member whose log has 1, 2, 3, 4, 6, 7: it was the primary, and 5 was still under way. The cluster's log begins above 5. */
function findings(wholeUpToCsn: number): Findings {
  const marks = {
    clusterId: 'shop',
    memberId: 'b',
    version: 3,
    active: ['a', 'b'],
    baseCsn: 0,
    incomplete: null,
    writtenAround: false,
  };
  return {
    clusterId: 'shop',
    memberId: 'b',
    report: { serverVersion: '1', marks, term: 1, lastCsn: 7, dangers: [], unlogged: false },
    wholeUpToCsn,
    differs: false,
    theirs: [1, 2, 3, 4, 6, 7].map(place),
    ours: [6, 7].map(place),
    cluster: { term: 1, baseCsn: 5, upToCsn: 40 },
    windowCsns: 20_000,
  };
}

test('strategy: a member that was put back to a time when it was the primary is not taken to be whole', () => {
  // It had reached 30 when it was left out: what its log shows now is older than that.
  expect(chooseByLog(findings(30))).toMatchObject({ kind: 'data' });
});

test('strategy: a member that is where it was when it was left out is whole up to there', () => {
  expect(chooseByLog(findings(7))).toMatchObject({ kind: 'replay', afterCsn: 7 });
});
