/** Which changes of a file are its owner's alone. */

import { describe, expect, test } from 'vitest';
import { fileOnlyChange } from '../../src/config/file-only.ts';

const file = {
  cluster: 'orders',
  username: 'app',
  password: { env: 'PASSWORD' },
  members: [
    { id: 'db1', url: 'postgres://10.0.0.1:5432/orders' },
    { id: 'db2', url: 'postgres://10.0.0.2:5432/orders', password: 'OWN' },
  ],
  hooks: [
    { name: 'mail', run: ['/etc/mail.sh'] },
    { name: 'chat', post: 'https://chat.example/a', authorization: { file: 'chat' } },
  ],
};
const [db1, db2] = file.members;
const [mail, chat] = file.hooks;
const changed = (more: object) => fileOnlyChange(file, { ...file, ...more })?.path;

describe('file only: is not changed from afar', () => {
  test.each([
    ['a program', { hooks: [{ ...mail, run: ['/bin/sh'] }] }, 'hooks[0].run'],
    ['the program of another hook', { hooks: [{ name: 'x', run: mail?.run }] }, 'hooks[0].run'],
    ['pg_dump', { sync: { pgDump: '/tmp/x' } }, 'sync.pgDump'],
    ['where it listens', { listen: { admin: '0.0.0.0:1' } }, 'listen'],
    ['who may log in', { users: [{ name: 'm', password: 'x' }] }, 'users'],
    ['where a secret is', { password: { file: '/etc/shadow' } }, 'password'],
    [
      'where a secret of a hook is',
      { hooks: [{ ...chat, authorization: { env: 'HOME' } }] },
      'hooks[0].authorization',
    ],
    ['where a known secret goes', { hooks: [{ ...chat, post: 'https://evil.example/' }] }, 'hooks[0].post'],
    [
      'where the password of the cluster goes',
      { members: [{ ...db1, url: 'postgres://10.6.6.6/x' }] },
      'members[0].url',
    ],
    [
      'the same, with another name',
      { members: [{ ...db1, url: 'postgres://u@10.6.6.6/x' }] },
      'members[0].url',
    ],
    [
      'where the password of a member goes',
      { members: [db1, { ...db2, username: 'u', url: 'postgres://10.6.6.6/x' }] },
      'members[1].url',
    ],
    ['how a member is connected to', { members: [{ ...db1, tls: { mode: 'disable' } }] }, 'members[0].tls'],
  ])('%s', (_, change, path) => {
    expect(changed(change)).toBe(path);
  });
});

describe('file only: is changed by who operates', () => {
  test.each([
    ['anything else', { probe: { intervalMs: 5 }, balancer: 'random' }],
    ['the order of hooks, and whom they tell of what', { hooks: [chat, { ...mail, on: ['member-unfit'] }] }],
    ['another place of the same service', { hooks: [{ ...chat, post: 'https://chat.example/b' }] }],
    [
      'a hook with a secret of its own',
      { hooks: [{ name: 'x', post: 'https://b.example/', authorization: 'B' }] },
    ],
    ['a password', { password: 'NEW' }],
    ['the address of one member for another', { members: [{ ...db1, url: 'postgres://10.0.0.2:5432/two' }] }],
    [
      'an address with its own name and password',
      { members: [{ ...db1, url: 'postgres://10.6.6.6/x', username: 'u', password: 'p' }] },
    ],
  ])('%s', (_, change) => {
    expect(changed(change)).toBeUndefined();
  });
});
