import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { mutants } from '../../scripts/mutants/list.js';
import { placeOf } from '../../scripts/mutants/plant.js';

const root = join(import.meta.dirname, '../..');

test.each(Object.entries(mutants))(
  'mutants: %s can be planted, and a check is named for it',
  (name, mutant) => {
    expect(placeOf(name)).toMatch(/^src\//);
    expect(mutant.replacement).not.toBe(mutant.anchor);
    expect(existsSync(join(root, mutant.check.file)), mutant.check.file).toBe(true);
  },
);

test('mutants: a name that nobody knows, and an anchor that is gone, are said', () => {
  expect(() => placeOf('no-such-mutant')).toThrow('there is no mutant no-such-mutant');
});

test('mutants: the page has all of them, each with the check that has killed it (run: node scripts/mutants.js)', () => {
  const page = readFileSync(join(root, 'docs/reference/mutants.md'), 'utf8');
  const rows = page.split('\n').filter((line) => line.startsWith('| `'));
  expect(rows.length).toBe(Object.keys(mutants).length);
  for (const [name, { breaks, check }] of Object.entries(mutants))
    expect(page).toContain(`| \`${name}\` | ${breaks} | ${mutants[name]?.guarantee} | \`${check.file}\`: `);
});
