/** What of a statement goes into logs and lists: no password of a role, and no constant. */

import { describe, expect, test } from 'vitest';
import { findRolePassword, withoutConstants } from '../../src/sql/index.ts';
import { classifier, classifyOne, someFunctions } from './a-classifier.ts';

const found = (sql: string) => {
  const password = findRolePassword(Buffer.from(sql));
  return password && [password.password, Buffer.from(sql).toString('utf8', password.start, password.end)];
};

describe('sql: passwords of roles', () => {
  test.each([
    ["CREATE ROLE r LOGIN PASSWORD 'a''b' VALID UNTIL 'infinity'", ["a'b", "'a''b'"]],
    ["ALTER USER \"password 'x'\" ENCRYPTED /* password 'y' */ password\n'ü'", ['ü', "'ü'"]],
    ["CREATE ROLE r -- password 'z'\nPASSWORD $$c$$", ['c', '$$c$$']],
    ["ALTER ROLE r PASSWORD $tag$it's$tag$", ["it's", "$tag$it's$tag$"]],
  ])('are found where they stand: %s', (sql, expected) => {
    expect(found(sql)).toEqual(expected);
  });

  test.each([
    "ALTER ROLE r PASSWORD E'a'",
    "ALTER ROLE r PASSWORD U&'a'",
    "ALTER ROLE r PASSWORD 'a'\n'b'",
    'ALTER ROLE r PASSWORD NULL',
  ])('that are no plain string are left to be refused: %s', (sql) => {
    expect(found(sql)).toBeUndefined();
  });

  test('are not carried in blocks, nor where a backslash may mean two things', () => {
    expect(classifyOne("DO $$ BEGIN ALTER ROLE r PASSWORD 'x'; END $$")).toMatchObject({ kind: 'refused' });
    const text = Buffer.from("ALTER ROLE r PASSWORD 'a\\b'");
    const [off] = classifier.classify(text, someFunctions, { standardConformingStrings: false });
    expect(off?.kind).toBe('refused');
    expect(classifier.classify(text, someFunctions)[0]).toMatchObject({ kind: 'ddl', setsPassword: true });
  });
});

describe('sql: without constants', () => {
  test.each([
    [
      "SELECT a1, 'x''y' FROM \"T 1\" WHERE b = 3.14e5 AND c = $1",
      'SELECT a1, ? FROM "T 1" WHERE b = ? AND c = $1',
    ],
    [
      "INSERT INTO t VALUES (1, E'a\\'b', $q$c$q$, B'01'), (-2, NULL)",
      'INSERT INTO t VALUES (?, ?, ?, ?), (-?, NULL)',
    ],
    ['SELECT /* secret */ 1 -- secret\n + 2', 'SELECT ? + ?'],
    ["SELECT 'secret", 'SELECT ?'],
    ['SELECT $$secret', 'SELECT ?'],
    ['SELECT /* secret', 'SELECT'],
    ['SELECT "secret', 'SELECT'],
    // Where the string ends depends on a setting.
    ["SELECT 'a\\', 'secret'", 'SELECT ?'],
    ["SELECT 'a\\'secret'", 'SELECT ?'],
  ])('%s', (sql, shown) => {
    expect(withoutConstants(sql)).toBe(shown);
  });
});
