/** A server that is out of step would have the next question answered with the rest of this one: its connection is given up. */

import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { nobody } from '../../../src/cluster/index.ts';
import type { Address } from '../../../src/dialects/postgres/connect.ts';
import type { PostgresSessionLink } from '../../../src/dialects/postgres/index.ts';
import { InternalConnection } from '../../../src/dialects/postgres/internal-connection.ts';
import { backend, frontend, TransactionStatus } from '../../../src/wire/postgres/index.ts';
import { waitFor } from '../../support/index.ts';
import { bareLink } from './bare-link.ts';

const { authenticationOk, bindComplete, commandComplete, dataRow, parseComplete, readyForQuery } = backend;
/** What a call gave: one byte. */
const functionResult = Buffer.from([0x56, 0, 0, 0, 9, 0, 0, 0, 1, 0x49]);
const idle = readyForQuery(TransactionStatus.Idle);
const open = readyForQuery(TransactionStatus.Open);
const one = dataRow([Buffer.from('1')]);
const fails = backend.errorResponse({ severity: 'ERROR', code: '22012', message: 'division by zero' });
const login = { user: 'u', password: undefined, database: 'd', settings: [] };

/** Says one of these to each packet behind the login. */
async function serverThatSays(...answers: readonly (readonly Buffer[])[]): Promise<Address> {
  const server = createServer((socket) => {
    const left = [[authenticationOk, backend.backendKeyData(1, Buffer.alloc(4)), idle], ...answers];
    socket.on('error', () => undefined);
    socket.on('data', () => socket.write(Buffer.concat(left.shift() ?? [])));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return { memberId: 'db1', host: '127.0.0.1', port, tls: { mode: 'disable' }, connectMs: 20_000 };
}

const linkTo = (address: Address): Promise<PostgresSessionLink> => bareLink(address, login);

const sink = nobody;
const plainly = { settings: [], begin: undefined, mayBeUnsuitable: 'no' } as const;
const asks = (sql: string): object => ({
  protocol: 'simple',
  messages: [{ kind: 'plain', frame: frontend.query(sql) }],
});
const executes = {
  protocol: 'extended',
  messages: [
    frontend.parse({ query: 'SELECT 1' }),
    frontend.bind({ values: [] }),
    frontend.execute(),
    frontend.execute(),
  ].map((frame) => ({ kind: 'plain', frame })),
};
const outOfTurn = { blame: 'gone', message: 'member db1: it said what nobody had asked for' };

test.each([
  ['with nothing said', asks('SELECT 1'), [[idle]]],
  ['with rows and no end', asks('SELECT 1'), [[one, idle]]],
  ['with one statement of two', executes, [[parseComplete, bindComplete, commandComplete('SELECT 1'), idle]]],
])('out of turn: an answer that is over %s is none', async (_, request, answers) => {
  const link = await linkTo(await serverThatSays(...answers));
  await expect(link.run(request, sink, plainly)).rejects.toMatchObject(outOfTurn);
});

const call = { protocol: 'call', name: 'statement_done', values: [] };
const around = { ...plainly, ahead: [call], behind: [call] };
const calls = [functionResult, open];
const inFailed = backend.errorResponse({ severity: 'ERROR', code: '25P02', message: 'it has failed' });
const failed = readyForQuery(TransactionStatus.Failed);
const done = commandComplete('CREATE TABLE');

test.each([
  ['in front of it', [fails, failed, inFailed, failed, inFailed, failed], ['22012']],
  ['of its own', [...calls, fails, failed, inFailed, failed], ['22012']],
  ['behind it', [...calls, done, open, fails, failed], ['CREATE TABLE', '22012']],
])('around: an error %s is told once, and is the answer', async (_, answers, told) => {
  const link = await linkTo(await serverThatSays(answers));
  const heard: Buffer[] = [];
  const listens = { ...sink, write: (slice: Buffer) => heard.push(Buffer.from(slice)) > 0 };
  const answer = await link.run(asks('CREATE TABLE t ()'), listens, around);
  expect(answer).toMatchObject({ failed: true, sqlState: '22012' });
  expect(
    Buffer.concat(heard)
      .toString('latin1')
      .match(/22012|25P02|CREATE TABLE/g),
  ).toEqual(told);
  expect(link.transaction).toBe('failed');
});

test.each([
  ['a call in front that says nothing', [open, done, open, ...calls]],
  ['rows of a call behind', [...calls, done, open, one, ...calls]],
  ['a call behind that says it has carried out a statement', [...calls, done, open, done, ...calls]],
  ['a call behind that says nothing', [...calls, done, open, open]],
])('around: %s is out of turn', async (_, answers) => {
  const link = await linkTo(await serverThatSays(answers));
  await expect(link.run(asks('CREATE TABLE t ()'), sink, around)).rejects.toMatchObject(outOfTurn);
});

test.each([
  ['rows', [one]],
  ['the end of a statement', [commandComplete('SELECT 1')]],
  ['that it is ready once more', [idle]],
])('out of turn: a link on which %s come between two answers is given up', async (_, more) => {
  const link = await linkTo(await serverThatSays([commandComplete('SELECT 1'), idle, ...more]));
  await link.run(asks('SELECT 1'), sink, plainly).catch(() => undefined);
  await waitFor(() => link.lost !== undefined, { what: 'the link to be given up' });
  expect(link.lost).toMatchObject(outOfTurn);
});

test('out of turn: who only reads is asked for no data, and waits for nobody to send some', async () => {
  const wantsData = Buffer.from([0x47, 0, 0, 0, 7, 0, 0, 0]);
  for (const mayBeUnsuitable of ['any', 'numbers', 'writes'] as const) {
    const link = await linkTo(await serverThatSays([wantsData]));
    const answer = link.run(asks('SELECT 1'), sink, { ...plainly, mayBeUnsuitable });
    await expect(answer).rejects.toMatchObject(outOfTurn);
  }
});

test('out of turn: what fails may leave the rest out, and what was never executed has no end', async () => {
  const describes = { ...executes, messages: executes.messages.slice(0, 1) };
  const link = await linkTo(
    await serverThatSays([fails, idle], [parseComplete, fails, idle], [parseComplete, idle]),
  );
  expect(await link.run(asks('SELECT 1'), sink, plainly)).toMatchObject({ failed: true });
  expect(await link.run(executes, sink, plainly)).toMatchObject({ failed: true });
  expect(await link.run(describes, sink, plainly)).toMatchObject({ failed: false });
  expect(link.lost).toBeUndefined();
});

test.each([
  ['BEGIN', [[idle, commandComplete('BEGIN'), open, commandComplete('SELECT 1'), open]]],
  [
    'a setting',
    [[commandComplete('SET'), commandComplete('SET'), idle, commandComplete('SELECT 1'), idle, idle]],
  ],
])('out of turn: whoever is ready before %s was carried out answers nothing', async (_, answers) => {
  const link = await linkTo(await serverThatSays(...answers));
  const options = { ...plainly, settings: [{ sql: 'SET a = 1' }], begin: { sql: 'BEGIN' } };
  await expect(link.run(asks('SELECT 1'), sink, options)).rejects.toMatchObject(outOfTurn);
});

test.each([
  ['before the write set', [idle]],
  ['before COMMIT', [functionResult, idle, idle]],
])('out of turn: a commit that is said to be over %s is neither refused nor committed', async (_, said) => {
  const link = await linkTo(await serverThatSays(said));
  const committed = link.commit({
    csn: 1,
    term: 1,
    slot: 0,
    large: false,
    onWriteSet: () => undefined,
    onLatePart: () => undefined,
    sink,
  });
  await expect(committed).rejects.toMatchObject(outOfTurn);
});

test('out of turn: a large commit ends when its link was lost between two of its steps', async () => {
  // Two parts are to come; and in the same packet something that loses the link.
  const twoParts = Buffer.from([0x56, 0, 0, 0, 12, 0, 0, 0, 4, 0, 0, 0, 2]);
  const link = await linkTo(await serverThatSays([twoParts, open, one]));
  const committed = link.commit({
    csn: 1,
    term: 1,
    slot: 0,
    large: true,
    onWriteSet: () => undefined,
    onLatePart: () => undefined,
    sink,
  });
  await expect(committed).rejects.toMatchObject(outOfTurn);
});

test.each([
  ['nothing', [idle]],
  ['rows and no end', [one, idle]],
])('out of turn: %s is no answer to the engine', async (_, said) => {
  const connection = await InternalConnection.open(await serverThatSays(said), login);
  onTestFinished(() => connection.close());
  await expect(connection.rows('SELECT 1')).rejects.toMatchObject(outOfTurn);
});

test('out of turn: a connection of the engine on which anything comes between two calls is given up', async () => {
  for (const more of [one, commandComplete('SELECT 1'), idle]) {
    const connection = await InternalConnection.open(
      await serverThatSays([one, commandComplete('SELECT 1'), idle, more]),
      login,
    );
    onTestFinished(() => connection.close());
    expect(await connection.rows('SELECT 1')).toEqual([['1']]);
    await waitFor(() => connection.lost !== undefined, { what: 'the connection to be given up' });
    expect(connection.lost).toMatchObject(outOfTurn);
  }
});
