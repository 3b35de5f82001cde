import { describe, expect, test } from 'vitest';
import { chooseByLog, chooseBySchema } from '../../src/cluster/sync/choose-strategy.ts';
import type { Findings } from '../../src/cluster/sync/choose-strategy.ts';
import type { LoggedPlace } from '../../src/dialects/contract.ts';
import { runsOf } from '../../src/dialects/logged-runs.ts';

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
    theirs: runsOf([1, 2, 3, 4, 6, 7].map(place)),
    ours: runsOf([6, 7].map(place)),
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

describe('strategy: two logs beside each other', () => {
  const whole = Array.from({ length: 12 }, (_, at) => place(at + 1));
  const choose = (theirs: readonly LoggedPlace[], ours: readonly LoggedPlace[], wholeUpToCsn = 3) =>
    chooseByLog({
      ...findings(wholeUpToCsn),
      report: { ...findings(wholeUpToCsn).report, lastCsn: theirs.at(-1)?.csn ?? 0 },
      theirs: runsOf(theirs),
      ours: runsOf(ours),
      cluster: { term: 2, baseCsn: 0, upToCsn: 12 },
    });
  const but = (csn: number, change: Partial<LoggedPlace> | undefined): readonly LoggedPlace[] =>
    whole.flatMap((one) => (one.csn !== csn ? [one] : change === undefined ? [] : [{ ...one, ...change }]));

  test('what it lacks near its end is given to it', () => {
    expect(choose(but(9, undefined).slice(0, 9), whole)).toEqual({
      kind: 'replay',
      reason: "it missed 2 commits: its log ends at CSN 10, the cluster's at 12",
      afterCsn: 10,
      gaps: [place(9)],
    });
    expect(choose(but(9, undefined), but(9, { dead: true }))).toMatchObject({
      kind: 'replay',
      gaps: [{ csn: 9, dead: true }],
    });
  });

  test('what it lacks in the midst of what it is known to have is not believed', () => {
    expect(choose(but(5, undefined), whole, 12)).toMatchObject({
      kind: 'data',
      reason: 'its log lacks CSN 5, although it has later ones',
    });
    expect(choose(but(5, undefined), but(5, { dead: true }), 12)).toMatchObject({ kind: 'replay' });
  });

  test.each([
    ['of another term', but(7, { term: 2 }), whole, 'CSN 7 of term 2'],
    ['that the cluster has decided against', whole, but(7, { dead: true }), 'CSN 7 of term 1'],
    ['dead where the cluster has a commit', but(7, { dead: true }), whole, 'CSN 7 of term 1'],
    ['that the cluster does not have', whole, but(7, undefined), 'CSN 7 of term 1'],
  ])('a commit %s makes its rows suspect', (_, theirs, ours, named) => {
    expect(choose(theirs, ours)).toMatchObject({
      kind: 'data',
      reason: `its log has ${named}, which the cluster does not have`,
    });
  });

  test('a dead place that the cluster never used, and another segment, mean nothing', () => {
    expect(choose(but(7, { dead: true }), but(7, undefined))).toMatchObject({ kind: 'replay', gaps: [] });
    expect(choose(but(7, { slot: 1 }), whole)).toMatchObject({ kind: 'replay', gaps: [] });
  });
});

test('strategy: what comparing was not enough for is copied, unless it was never part of the cluster or an operator says otherwise', () => {
  const found = {
    unlike: undefined,
    schema: { kind: 'equal' },
    owned: true,
    reason: 'r',
    asked: undefined,
  } as const;
  expect(chooseBySchema({ ...found, copy: true })).toEqual({
    kind: 'full',
    reason: 'comparing was not enough: r',
  });
  expect(chooseBySchema({ ...found, copy: false })).toMatchObject({ kind: 'diff' });
  expect(chooseBySchema({ ...found, copy: true, asked: 'diff' })).toMatchObject({ kind: 'diff' });
  expect(chooseBySchema({ ...found, copy: true, owned: false })).toMatchObject({ kind: 'refused' });
});
