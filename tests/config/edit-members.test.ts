import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { showMember, withMember, withoutMember } from '../../src/config/edit-members.ts';
import type { MemberEntry } from '../../src/config/edit-members.ts';

const COMMENTED = `# Orders, since 2026
cluster: orders      # never changes
members:
    # room 4
    - { id: db1, url: "postgres://db1.example:5432/orders" }   # the old one
    # room 5
    - id:   db2
      url: 'postgres://db2.example/orders'
      # because it is slow
      weight: 0
    # more of them here
listen: {postgres: "127.0.0.1:6432"}


# the end
`;

test('config: edit: a member is put behind the others in their style, and nothing else changes', () => {
  const entry = {
    id: 'db3',
    url: 'postgres://db3:1/orders',
    weight: 2,
    password: { env: 'PW3' },
  };
  expect(withMember(COMMENTED, entry)).toBe(
    COMMENTED.replace(
      '      weight: 0\n',
      `      weight: 0
    - id: db3
      url: "postgres://db3:1/orders"
      weight: 2
      password: { env: PW3 }
`,
    ),
  );
  const oneLine = withoutMember(COMMENTED, 'db2') as string;
  expect(withMember(oneLine, entry)).toContain(`# the old one
    - { id: db3, url: "postgres://db3:1/orders", weight: 2, password: { env: PW3 } }
    # room 5
    # more`);
});

test('config: edit: a member is taken out with its own lines only', () => {
  expect(withoutMember(COMMENTED, 'db1')).toBe(
    COMMENTED.replace('    - { id: db1, url: "postgres://db1.example:5432/orders" }   # the old one\n', ''),
  );
  expect(withoutMember(COMMENTED, 'db2')).toBe(COMMENTED.replace(/    - id: {3}db2\n(?: {6}.*\n){3}/, ''));
});

test('config: edit: inside brackets, comments and lines stay as well', () => {
  const text = `members: [
  { id: db1, url: a }, # first
  # about, b
  { id: db2, url: b },
  { id: db3, url: c } # last
]
`;
  expect(withMember(text, { id: 'db4', url: 'd' })).toBe(
    text.replace('{ id: db3, url: c }', '{ id: db3, url: c },\n  { id: db4, url: d }'),
  );
  expect(withoutMember(text, 'db1')).toBe(text.replace('  { id: db1, url: a }, # first', ' # first'));
  expect(withoutMember(text, 'db2')).toBe(text.replace('  { id: db2, url: b },\n', ''));
  expect(withoutMember(text, 'db3')).toBe(
    text.replace('db2, url: b },\n  { id: db3, url: c }', 'db2, url: b }'),
  );
});

test('config: edit: JSON stays JSON', () => {
  const value = {
    cluster: 'a',
    members: [
      { id: 'db1', url: 'u' },
      { id: 'db2', url: 'v' },
    ],
    z: 1,
  };
  for (const indent of [0, 2]) {
    const text = JSON.stringify(value, null, indent);
    const more = withMember(text, { id: 'db3', url: 'w', password: { file: 'p' } }) as string;
    expect(JSON.parse(more).members[2]).toEqual({ id: 'db3', url: 'w', password: { file: 'p' } });
    for (const id of ['db1', 'db2', 'db3']) {
      const { members } = JSON.parse(withoutMember(more, id) as string);
      expect(members.map((member: MemberEntry) => member.id)).toEqual(
        ['db1', 'db2', 'db3'].filter((other) => other !== id),
      );
    }
  }
});

test('config: edit: what a program would have to guess at is left to its author', () => {
  const entry = { id: 'db9', url: 'x' };
  expect(withMember('members: &a [', entry)).toEqual({ fault: 'it is not YAML that can be read' });
  expect(withMember('l: &l\n- { id: a }\nmembers: *l\n', entry)).toHaveProperty('fault');
  expect(withMember('members: []', entry)).toHaveProperty('fault');
  expect(withMember('{}', entry)).toHaveProperty('fault');
  // Without the member that carries the anchor the rest would not be YAML any more.
  expect(withoutMember('members:\n- &x { id: a }\n- { id: b }\nz: *x\n', 'a')).toHaveProperty('fault');
  expect(withoutMember('members:\n- { id: a }\n', 'b')).toEqual({
    fault: 'there is no member b in the list',
  });
});

test('config: edit: what an operator is told to write has no password in it', () => {
  const member = { id: 'db3', url: 'postgres://db3:5432/x', password: 'hunter2' };
  expect(showMember(member)).toBe('  - { id: db3, url: "postgres://db3:5432/x", password: "…" }');
  const edited = withMember('members: [{ id: a, url: b }]', member);
  expect(edited).toContain('password: hunter2');
});

test('config: edit: the last line may lack its end, and lines may end as on Windows', () => {
  expect(withMember('members:\n- { id: a }', { id: 'b', url: 'x' })).toBe(
    'members:\n- { id: a }\n- { id: b, url: x }\n',
  );
  expect(withMember('members:\r\n- { id: a }\r\nz: 1\r\n', { id: 'b', url: 'x' })).toBe(
    'members:\r\n- { id: a }\r\n- { id: b, url: x }\r\nz: 1\r\n',
  );
});

test('config: edit: whatever the names and the layout, the file says what was meant', () => {
  const word = fc.oneof(
    fc.constantFrom('no', 'null', 'true', '1', '-', '0x1f', '1e3'),
    fc.string({ minLength: 1 }),
  );
  const entry = fc.record(
    {
      id: word,
      url: word,
      weight: fc.nat(),
      username: word,
      password: fc.record({ env: word }, { noNullPrototype: true }),
    },
    { requiredKeys: ['id', 'url'], noNullPrototype: true },
  );
  const layout = fc.constantFrom(
    (list: readonly object[]) => JSON.stringify({ members: list, z: 1 }),
    (list: readonly object[]) => JSON.stringify({ members: list, z: 1 }, null, 3),
    (list: readonly object[]) =>
      `members:\n${list.map((one) => `  -   ${JSON.stringify(one)} # x\n`).join('')}z: 1\n`,
    (list: readonly object[]) =>
      `a: 1\nmembers:\n${list.map((one) => `- ${JSON.stringify(one, null, 1).replaceAll('\n', '\n ')}\n# y\n`).join('')}`,
  );
  fc.assert(
    fc.property(
      fc.uniqueArray(entry, { minLength: 1, maxLength: 4, selector: ({ id }) => id }),
      entry,
      layout,
      (list, more, write) => {
        fc.pre(list.every(({ id }) => id !== more.id));
        const added = withMember(write(list), more);
        expect(typeof added).toBe('string');
        expect(parse(added as string).members).toEqual([...list, more]);
        for (const { id } of [...list, more]) {
          const removed = withoutMember(added as string, id);
          expect(parse(removed as string).members).toEqual([...list, more].filter((one) => one.id !== id));
        }
      },
    ),
  );
});
