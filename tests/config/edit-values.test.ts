import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { parseKey, withValues } from '../../src/config/edit-values.ts';

const FILE = `# The cluster of the shop.
cluster: shop   # never changes
members:
  - { id: db1, url: "postgres://a/x", weight: 1 } # fast
  - id: db2
    url: "postgres://b/x"
listen: { postgres: "127.0.0.1:6432" }

# Probes, as agreed with operations.
probe:
  # short
  intervalMs: 500  # ms
  timeoutMs: 700

deadlines:
  commitMs: 900
admin:
  hosts:
    - a.example
    - b.example
state: ./state`;

function edit(path: string, value: unknown, text = FILE): string {
  const edited = withValues(text, [{ path: parseKey(path), value }]);
  return typeof edited === 'string' ? edited : `fault: ${edited.fault}`;
}

/** Lines that are not the same, taken out and put in. */
function difference(before: string, after: string): readonly string[] {
  const [old, fresh] = [before.split('\n'), after.split('\n')];
  return [
    ...old.filter((line) => !fresh.includes(line)).map((line) => `-${line}`),
    ...fresh.filter((line) => !old.includes(line)).map((line) => `+${line}`),
  ];
}

describe('config: changing values', () => {
  test.each([
    ['probe.intervalMs', 250, ['-  intervalMs: 500  # ms', '+  intervalMs: 250  # ms']],
    ['probe.threshold', 3, ['+  threshold: 3']],
    ['probe.timeoutMs', null, ['-  timeoutMs: 700']],
    ['deadlines.commitMs', null, ['-deadlines:', '-  commitMs: 900']],
    ['balancer', 'random', ['+balancer: random']],
    ['logging.level', 'debug', ['+logging: { level: debug }']],
    ['sync.maxBytesPerSecond', '20 MiB', ['+sync: { maxBytesPerSecond: 20 MiB }']],
    ['username', 'true', ['+username: "true"']],
    ['password', { env: 'PW' }, ['+password: { env: PW }']],
    [
      'listen.admin',
      '127.0.0.1:6480',
      [
        '-listen: { postgres: "127.0.0.1:6432" }',
        '+listen: { postgres: "127.0.0.1:6432", admin: "127.0.0.1:6480" }',
      ],
    ],
    ['admin.hosts', ['c.example'], ['-    - a.example', '-    - b.example', '+    [c.example]']],
    [
      'members[0].weight',
      7,
      [
        '-  - { id: db1, url: "postgres://a/x", weight: 1 } # fast',
        '+  - { id: db1, url: "postgres://a/x", weight: 7 } # fast',
      ],
    ],
    [
      'members[0].weight',
      null,
      [
        '-  - { id: db1, url: "postgres://a/x", weight: 1 } # fast',
        '+  - { id: db1, url: "postgres://a/x" } # fast',
      ],
    ],
    ['members[1].weight', 0, ['+    weight: 0']],
  ])('config: %s becomes %j, and nothing else changes', (path, value, changed) => {
    const edited = edit(path, value);
    // A last line without an end gets one when something comes behind it.
    expect(difference(FILE, edited).filter((line) => line !== '+')).toEqual(changed);
  });

  test('config: what is not there is taken out without a change', () => {
    expect(edit('probe.threshold', null)).toBe(FILE);
    expect(edit('logging.level', null)).toBe(FILE);
  });

  test('config: an alias, a value elsewhere and a broken file are left to their author', () => {
    expect(edit('b.x', 2, 'a: &a { x: 1 }\nb: *a\n')).toContain('fault');
    expect(edit('a.b', 1, 'a: text\n')).toContain('fault');
    expect(edit('a', 1, 'a: [\n')).toContain('fault');
  });

  test('config: whatever text is set is read back, in every place', () => {
    const paths = [
      'username',
      'cluster',
      'members[0].username',
      'members[1].url',
      'listen.postgres',
      'probe.x',
    ];
    fc.assert(
      fc.property(fc.constantFrom(...paths), fc.string({ unit: 'binary' }), (path, value) => {
        const read = parseKey(path).reduce<unknown>(
          (at, key) => (at as Record<string, unknown>)[key],
          parse(edit(path, value)),
        );
        expect(read).toBe(value);
      }),
    );
  });
});
