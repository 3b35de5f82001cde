import { expect, test } from 'vitest';
import { namesToTry } from '../../src/sql/index.ts';
import { classifyOne } from './a-classifier.ts';

const namesOf = (sql: string): readonly string[] => {
  const { index } = classifyOne(sql);
  return index === undefined ? [] : namesToTry(index, 2);
};

test('index name: as the server makes it, and the next where that one is taken', () => {
  expect(namesOf('create index concurrently on s.t (a, lower(b), (a || b)) include (c)')).toEqual([
    't_a_lower_expr_c_idx',
    't_a_lower_expr_c_idx1',
  ]);
  expect(namesOf('create index concurrently on t (a, a, (b::int), (coalesce(a, b)))')[0]).toBe(
    't_a_a1_b_coalesce_idx',
  );
  expect(namesOf(`create index concurrently on t (((a || b)::text), (case when a then 1 end))`)[0]).toBe(
    't_text_case_idx',
  );
});

test('index name: a long one is cut so that the server would cut it no more', () => {
  const [first, second] = namesOf(`create index concurrently on ${'t'.repeat(60)} (${'é'.repeat(25)})`);
  expect(first).toBe(`${'t'.repeat(29)}_${'é'.repeat(14)}_idx`);
  expect(Buffer.byteLength(second ?? '')).toBeLessThanOrEqual(63);
});

test('index name: the one that is given, and nothing else', () => {
  expect(namesOf('create index concurrently "I i" on t (a)')).toEqual(['I i']);
});
