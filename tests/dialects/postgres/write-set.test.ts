import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readChanges } from '../../../src/dialects/postgres/write-set.ts';

/** As PostgreSQL writes a row: fields that need it are quoted, quotes and backslashes doubled. */
function image(fields: readonly (string | null)[]): string {
  const field = (value: string | null): string => {
    if (value === null) return '';
    if (value !== '' && !/["\\(),\s]/.test(value)) return value;
    return `"${value.replace(/(["\\])/g, '$1$1')}"`;
  };
  return `(${fields.map(field).join(',')})`;
}

const bytesOf = (text: string): number => Buffer.byteLength(text);
const target = (schema: string, table: string): string =>
  `${bytesOf(schema)},${bytesOf(table)}:${schema}${table}`;

describe('write set', () => {
  test('each kind of change is read as it was written', () => {
    const statement = 'CREATE TABLE "x(" (a int)';
    const text = [
      `INSERT${target('public', 'a')}(1,x)`,
      `UPDATE${target('public', 'b:1,')}(1,"(")(1,")""\\\\")`,
      `DELETE${target('s', 'ü')}(,,)`,
      `TRUNCATE${target('public', 'a')}`,
      `EMPTY${target('public', 'a')}`,
      `Q${target('public', 'a_seq')}up,42,t;`,
      `S3,6,2,${bytesOf(statement)}:apppublic{}${statement}`,
      `INSERT${target('public', 'none')}()`,
      `B${target('public', 'a')}(1,x)(2,"(;")();`,
      `B${target('public', 'b')};`,
    ].join('');
    const read = readChanges(Buffer.from(text)).map((change) => [
      change.op,
      change.schema.toString(),
      change.table.toString(),
      change.old?.toString() ?? null,
      change.new?.toString() ?? null,
    ]);
    expect(read).toEqual([
      ['I', 'public', 'a', null, '(1,x)'],
      ['U', 'public', 'b:1,', '(1,"(")', '(1,")""\\\\")'],
      ['D', 's', 'ü', '(,,)', null],
      ['T', 'public', 'a', null, null],
      ['E', 'public', 'a', null, null],
      ['Q', 'public', 'a_seq', 'up', '42,t'],
      ['S', 'app', 'public', '{}', statement],
      ['I', 'public', 'none', null, '()'],
      ['I', 'public', 'a', null, '(1,x)'],
      ['I', 'public', 'a', null, '(2,"(;")'],
      ['I', 'public', 'a', null, '()'],
    ]);
  });

  test('no content of a row can end its image early', () => {
    const row = fc.array(fc.option(fc.string({ unit: 'binary' }), { nil: null }), { maxLength: 5 });
    fc.assert(
      fc.property(row, row, fc.string({ minLength: 1 }), (before, after, table) => {
        const [change, next, ...others] = readChanges(
          Buffer.from(
            `UPDATE${target('s', table)}${image(before)}${image(after)}INSERT${target('s', 't')}(1)`,
          ),
        );
        expect(others).toEqual([]);
        expect(change?.table.toString()).toBe(Buffer.from(table).toString());
        expect(change?.old?.equals(Buffer.from(image(before)))).toBe(true);
        expect(change?.new?.equals(Buffer.from(image(after)))).toBe(true);
        expect(next?.new?.toString()).toBe('(1)');
      }),
    );
  });

  test('a write set that is cut short is refused, not guessed at', () => {
    const whole = Buffer.from(`UPDATE${target('public', 'accounts')}(1,"a b")(1,"c d")`);
    const block = Buffer.from(`B${target('public', 'accounts')}(1,"a b")(2,c);`);
    for (let end = 1; end < block.length; end++) {
      expect(() => readChanges(block.subarray(0, end)), `cut at ${end}`).toThrow(
        'a write set is not as it should be',
      );
    }
    for (let end = 1; end < whole.length; end++) {
      expect(() => readChanges(whole.subarray(0, end)), `cut at ${end}`).toThrow(
        'a write set is not as it should be',
      );
    }
  });
});
