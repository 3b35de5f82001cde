import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RowPlan } from '../../../src/dialects/postgres/row-plan.ts';
import type { Change } from '../../../src/dialects/postgres/write-set.ts';

type Step = readonly [old: string | null, next: string | null];

function planOf(steps: readonly Step[]): (readonly [string | null, string | null])[] {
  const plan = new RowPlan();
  for (const [old, next] of steps) {
    const change: Change = {
      op: old === null ? 'I' : next === null ? 'D' : 'U',
      schema: Buffer.from('public'),
      table: Buffer.from('t'),
      old: old === null ? null : Buffer.from(old),
      new: next === null ? null : Buffer.from(next),
    };
    plan.add(change);
  }
  return plan
    .tables()
    .flatMap(({ changes }) =>
      changes.map((change) => [change.old?.toString() ?? null, change.new?.toString() ?? null] as const),
    );
}

describe('row plan', () => {
  test('a row that changed three times is written once', () => {
    expect(
      planOf([
        ['(1,a)', '(1,b)'],
        ['(1,b)', '(1,c)'],
        ['(1,c)', '(1,d)'],
      ]),
    ).toEqual([['(1,a)', '(1,d)']]);
  });

  test('a row that came and went leaves nothing', () => {
    expect(
      planOf([
        [null, '(1,a)'],
        ['(1,a)', '(1,b)'],
        ['(1,b)', null],
      ]),
    ).toEqual([]);
    expect(
      planOf([
        ['(1,a)', '(1,b)'],
        ['(1,b)', '(1,a)'],
      ]),
    ).toEqual([]);
  });

  test('a change that a trigger overtook is joined from the other side', () => {
    // The trigger's change of the row was captured before the change of the statement that fired it.
    expect(
      planOf([
        ['(1,b)', '(1,c)'],
        ['(1,a)', '(1,b)'],
      ]),
    ).toEqual([['(1,a)', '(1,c)']]);
    expect(
      planOf([
        ['(1,b)', null],
        [null, '(1,b)'],
      ]),
    ).toEqual([]);
  });

  test('a change that a trigger overtook is joined with what came before it, too', () => {
    expect(
      planOf([
        [null, '(1,a)'],
        ['(1,b)', '(1,c)'],
        ['(1,a)', '(1,b)'],
      ]),
    ).toEqual([[null, '(1,c)']]);
  });

  test('equal rows of a table without a key are counted, not merged', () => {
    expect(
      planOf([
        [null, '(x)'],
        [null, '(x)'],
        ['(x)', null],
      ]),
    ).toEqual([[null, '(x)']]);
    expect(
      planOf([
        ['(x)', null],
        ['(x)', null],
      ]),
    ).toEqual([
      ['(x)', null],
      ['(x)', null],
    ]);
  });

  test('whatever the order of capture, as many rows of each image come and go', () => {
    const image = fc.constantFrom('(a)', '(b)', '(c)', '(d)');
    const step = fc
      .tuple(fc.option(image, { nil: null }), fc.option(image, { nil: null }))
      .filter(([old, next]) => old !== null || next !== null);
    const balance = (steps: readonly Step[]): Record<string, number> => {
      const count: Record<string, number> = {};
      for (const [old, next] of steps) {
        if (old !== null) count[old] = (count[old] ?? 0) - 1;
        if (next !== null) count[next] = (count[next] ?? 0) + 1;
      }
      return Object.fromEntries(Object.entries(count).filter(([, rows]) => rows !== 0));
    };
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const plan = planOf(steps);
        expect(balance(plan)).toEqual(balance(steps));
        // What goes does not come, and what comes does not go: a row is written once.
        const gone = new Set(plan.map(([old]) => old));
        expect(plan.filter(([, next]) => next !== null && gone.has(next))).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });
});
