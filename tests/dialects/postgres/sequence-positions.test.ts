import { expect, test } from 'vitest';
import { positionOf, SequencePositions } from '../../../src/dialects/postgres/sequence-positions.ts';
import type { Change } from '../../../src/dialects/postgres/write-set.ts';

/** What a member is given of these, as `exact 5` or `up 5`. */
function given(...positions: readonly string[]): readonly string[] {
  const sequences = new SequencePositions();
  for (const position of positions) {
    const [how = '', value = ''] = position.split(' ');
    const change: Change = {
      op: 'Q',
      schema: Buffer.from('public'),
      table: Buffer.from('entries_id_seq'),
      old: Buffer.from(how),
      new: Buffer.from(`${value},t`),
    };
    sequences.add(change);
  }
  return [...sequences.changes()].map((change) => `${change.old?.toString()} ${positionOf(change).value}`);
}

test('sequences: a later commit with a lower position takes nothing back', () => {
  expect(given('up 10', 'up 9')).toEqual(['up 10', 'up 9']);
  expect(given('up 10', 'up 12', 'up 11')).toContain('up 12');
});

test('sequences: of many positions the outermost and the last are given', () => {
  expect(given('up 3', 'up 9', 'up 1', 'up 4', 'up 5')).toEqual(['up 9', 'up 1', 'up 5']);
  expect(given('up 1', 'up 2', 'up 3', 'up 4')).toEqual(['up 1', 'up 4']);
  expect(given('up 7')).toEqual(['up 7']);
});

test('sequences: what a statement sets takes the place of all that was drawn before', () => {
  expect(given('up 100', 'exact 5', 'up 6')).toEqual(['exact 5', 'up 6']);
  expect(given('exact 5', 'exact 3')).toEqual(['exact 3']);
});

test('sequences: positions beyond what a double can hold are told apart', () => {
  expect(given('up 9223372036854775807', 'up 9223372036854775806')).toContain('up 9223372036854775807');
});
