/** The checker of list histories must convict each kind of broken history before it may acquit a real one. */

import { expect, test } from 'vitest';
import type { Outcome } from '../../src/base/index.ts';
import { findAnomalies } from '../../src/testing/index.ts';
import type { AnomalyKind, IsolationLevel, ListStep, ListTransaction } from '../../src/testing/index.ts';

/** `+x1` appends 1 to x; `x:1,2` was shown 1 and 2 on x. */
function steps(text: string, at: number): readonly ListStep[] {
  return text.split(' ').map((word): ListStep => {
    if (word.startsWith('+')) return { kind: 'append', key: word.slice(1, 2), value: word.slice(2) };
    const [key = '', values = ''] = word.split(':');
    return { kind: 'read', key, values: values === '' ? [] : values.split(','), at };
  });
}

interface Line {
  readonly does: string;
  /** Moments: begun, and acknowledged. By default everybody works at the same time. */
  readonly from?: number;
  readonly to?: number;
  readonly level?: IsolationLevel;
  readonly outcome?: Outcome;
  readonly session?: string;
}

function history(lines: readonly Line[], end: Readonly<Record<string, string>>, mayVanishUpTo = -1) {
  const transactions = lines.map((line, at): ListTransaction => {
    const { does, from = 1, to = 1000, level = 'repeatable read', outcome = 'done' } = line;
    return {
      name: `t${at + 1}`,
      session: line.session ?? `s${at + 1}`,
      level,
      startedAt: from,
      acknowledgedAt: outcome === 'done' ? to : undefined,
      outcome,
      steps: steps(does, from),
    };
  });
  const lists = new Map(Object.entries(end).map(([key, items]) => [key, items.split(',')]));
  return findAnomalies({ transactions, end: lists, mayVanishUpTo });
}

const kinds = (...given: Parameters<typeof history>): AnomalyKind[] =>
  history(...given).map(({ kind }) => kind);

const broken: readonly (readonly [AnomalyKind, readonly Line[], Readonly<Record<string, string>>])[] = [
  ['lost', [{ does: '+x1' }, { does: '+x2' }], { x: '2' }],
  ['invented', [{ does: '+x1', outcome: 'none' }], { x: '1' }],
  ['invented', [{ does: '+x1' }], { x: '1,9' }],
  ['invented', [{ does: '+x1', outcome: 'none' }, { does: 'x:1' }], {}],
  ['repeated', [{ does: '+x1' }], { x: '1,1' }],
  ['torn', [{ does: '+x1 +y2', outcome: 'unknown' }], { x: '1' }],
  ['vanished', [{ does: '+x1', outcome: 'unknown' }, { does: 'x:1' }], {}],
  ['reordered', [{ does: '+x1' }, { does: '+x2' }, { does: 'x:2,1' }], { x: '1,2' }],
  ['reordered', [{ does: '+x1' }, { does: '+x2' }, { does: 'x:2' }], { x: '1,2' }],
  ['intermediate', [{ does: '+x1 +x2' }, { does: 'x:1', level: 'read committed' }], { x: '1,2' }],
  [
    'stale',
    [
      { does: '+x1', to: 5 },
      { does: 'x:', from: 6 },
    ],
    { x: '1' },
  ],
  [
    'stale',
    [
      { does: '+x1', to: 5 },
      { does: 'x:', from: 6, level: 'read committed' },
    ],
    { x: '1' },
  ],
  [
    'backward',
    [{ does: '+x1' }, { does: 'x:1', session: 'one', from: 2 }, { does: 'x:', session: 'one', from: 3 }],
    { x: '1' },
  ],
  [
    'G1c',
    [
      { does: '+x1 y:2', level: 'read committed' },
      { does: '+y2 x:1', level: 'read committed' },
    ],
    { x: '1', y: '2' },
  ],
  // Half of another's commit: x was read before it, y after it.
  ['G-single', [{ does: '+x1 +y2' }, { does: 'x: y:2' }], { x: '1', y: '2' }],
  // A lost update: both have seen nothing, and both have written.
  ['G-single', [{ does: 'x: +x1' }, { does: 'x: +x2' }], { x: '1,2' }],
  // The same list twice in one transaction.
  ['G-single', [{ does: '+x1' }, { does: 'x: x:1' }], { x: '1' }],
  // Write skew.
  [
    'G2',
    [
      { does: 'x: +y1', level: 'serializable' },
      { does: 'y: +x2', level: 'serializable' },
    ],
    { x: '2', y: '1' },
  ],
];

test.each(broken)('list history: convicts %s', (kind, lines, end) => {
  expect(kinds(lines, end)).toContain(kind);
});

test.each<readonly [string, readonly Line[], Readonly<Record<string, string>>]>([
  [
    'one after the other',
    [
      { does: '+x1', to: 5 },
      { does: 'x:1 +x2', from: 6 },
      { does: 'x:1,2', from: 1001 },
    ],
    { x: '1,2' },
  ],
  [
    'what is in doubt and there',
    [{ does: '+x1 +y2', outcome: 'unknown' }, { does: 'x:1 y:2' }],
    { x: '1', y: '2' },
  ],
  ['what is in doubt and gone', [{ does: '+x1', outcome: 'unknown' }, { does: 'x:' }], {}],
  ['one’s own appends', [{ does: '+x1 x:1 +x2 x:1,2' }], { x: '1,2' }],
  ['two looks at read committed', [{ does: '+x1' }, { does: 'x: x:1', level: 'read committed' }], { x: '1' }],
  ['write skew at repeatable read', [{ does: 'x: +y1' }, { does: 'y: +x2' }], { x: '2', y: '1' }],
  [
    'write skew with one that is not serializable',
    [{ does: 'x: +y1', level: 'serializable' }, { does: 'y: +x2' }],
    { x: '2', y: '1' },
  ],
])('list history: acquits %s', (_, lines, end) => {
  expect(history(lines, end)).toEqual([]);
});

test('list history: what was shown and never acknowledged may vanish with node and primary, and only then', () => {
  const lines: Line[] = [
    { does: '+x1', outcome: 'unknown' },
    { does: 'x:1', from: 7 },
  ];
  expect(kinds(lines, {}, 7)).toEqual([]);
  expect(kinds(lines, {}, 6)).toEqual(['vanished']);
});

test('list history: a long cycle is found among thousands of innocent transactions', () => {
  const innocent = Array.from({ length: 4000 }, (_, at): Line => ({ does: `+z${at + 10}` }));
  const circle: Line[] = [
    { does: 'a: +b1', level: 'serializable' },
    { does: 'b: +c2', level: 'serializable' },
    { does: 'c: +a3', level: 'serializable' },
  ];
  const end = { a: '3', b: '1', c: '2', z: innocent.map((_, at) => at + 10).join(',') };
  const found = history([...innocent, ...circle], end);
  expect(found).toEqual([expect.objectContaining({ kind: 'G2' })]);
  expect(found[0]?.what.match(/had not seen/g)).toHaveLength(3);
});
