import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LoggedPlace } from '../../src/dialects/contract.ts';
import { alongside, placesOf, runsOf } from '../../src/dialects/logged-runs.ts';

/** Small numbers, so that runs are long and logs have much in common. */
const log = fc
  .uniqueArray(
    fc.record({
      csn: fc.integer({ min: 1, max: 30 }),
      term: fc.integer({ min: 1, max: 2 }),
      slot: fc.integer({ min: 0, max: 1 }),
      dead: fc.boolean(),
    }),
    { selector: ({ csn }) => csn, maxLength: 30 },
  )
  .map((places) => places.toSorted((a, b) => a.csn - b.csn));

const without = (place: LoggedPlace | undefined): unknown =>
  place === undefined ? undefined : { term: place.term, slot: place.slot, dead: place.dead };

describe('logs: runs', () => {
  test('say what the places say, and are as few as can be', () => {
    fc.assert(
      fc.property(log, (places) => {
        const runs = runsOf(places);
        expect(placesOf(runs)).toEqual(places);
        for (const [index, run] of runs.slice(1).entries()) {
          const before = runs[index];
          if (before?.toCsn === run.fromCsn - 1)
            expect({ ...before, fromCsn: 0, toCsn: 0 }).not.toEqual({ ...run, fromCsn: 0, toCsn: 0 });
        }
      }),
    );
  });

  test('of two logs beside each other show for each number what each of them has', () => {
    fc.assert(
      fc.property(log, log, (one, other) => {
        const seen = new Map<number, readonly unknown[]>();
        let last = 0;
        for (const stretch of alongside(runsOf(one), runsOf(other))) {
          expect(stretch.fromCsn).toBeGreaterThan(last);
          expect(stretch.one ?? stretch.other).toBeDefined();
          last = stretch.toCsn;
          for (let csn = stretch.fromCsn; csn <= last; csn++) {
            const [left, right] = [stretch.one, stretch.other].map((run) =>
              run === undefined ? undefined : { term: run.term, slot: run.slot, dead: run.dead },
            );
            seen.set(csn, [left, right]);
          }
        }
        const expected = new Map<number, readonly unknown[]>();
        for (let csn = 1; csn <= 30; csn++) {
          const [left, right] = [one, other].map((places) => places.find((place) => place.csn === csn));
          if (left !== undefined || right !== undefined) expected.set(csn, [without(left), without(right)]);
        }
        expect(seen).toEqual(expected);
      }),
    );
  });
});
