/** The language of the simulated database. */

import { crc32 } from 'node:zlib';
import type { Answer, TransactionState } from '../../dialects/contract.ts';
import { Deadlock } from './row-locks.ts';
import type { Backend, SimServer } from './sim-server.ts';
import type { Value } from './sim-write-set.ts';

export type ToyRequest =
  | { readonly op: 'get'; readonly key: string }
  | { readonly op: 'scan' }
  | { readonly op: 'put'; readonly key: string; readonly value: Value }
  | { readonly op: 'add'; readonly key: string; readonly n: number }
  | { readonly op: 'append'; readonly key: string; readonly item: string }
  | { readonly op: 'fail' };

export interface ToyBegin {
  readonly readOnly: boolean;
  readonly serializable: boolean;
}

export type ToyAnswer = Value | Readonly<Record<string, Value>> | { readonly error: string } | null;

export interface Executed {
  readonly answer: Answer;
  readonly bytes: Buffer;
  readonly state: TransactionState;
}

export async function execute(
  server: SimServer,
  backend: Backend,
  request: ToyRequest,
  mayBeUnsuitable: boolean,
): Promise<Executed> {
  const { transaction } = backend;
  const done = (value: ToyAnswer, changed: number): Executed => {
    const bytes = Buffer.from(JSON.stringify(value));
    const answer = {
      failed: false,
      sqlState: undefined,
      digest: crc32(bytes),
      rows: changed,
      unsuitable: undefined,
    };
    return { answer, bytes, state: backend.transaction === undefined ? 'none' : 'open' };
  };
  const failed = (sqlState: string): Executed => {
    if (transaction !== undefined) {
      server.rollback(backend);
      backend.transaction = transaction;
      transaction.changes.clear();
      transaction.failed = true;
    }
    const answer = { failed: true, sqlState, digest: crc32(sqlState), rows: 0, unsuitable: undefined };
    const bytes = Buffer.from(JSON.stringify({ error: sqlState }));
    return { answer, bytes, state: transaction === undefined ? 'none' : 'failed' };
  };

  if (transaction?.failed) return failed('25P02');
  await server.work(backend, 0.1);
  if (request.op === 'fail') return failed('22012');
  if (request.op === 'get') return done(server.read(backend, request.key) ?? null, 0);
  if (request.op === 'scan') {
    const keys = [...server.rows.keys()].sort();
    return done(Object.fromEntries(keys.map((key) => [key, server.read(backend, key) as Value])), 0);
  }
  if (transaction === undefined || transaction.readOnly) {
    const refused = failed('25006');
    if (!mayBeUnsuitable) return refused;
    return { ...refused, answer: { ...refused.answer, failed: false, unsuitable: 'writes' } };
  }
  try {
    await server.lock(backend, request.key);
  } catch (error) {
    if (error instanceof Deadlock) return failed('40P01');
    throw error;
  }
  const now = server.read(backend, request.key) ?? null;
  const value =
    request.op === 'put'
      ? request.value
      : request.op === 'add'
        ? Number(now ?? 0) + request.n
        : `${now ?? ''}${request.item},`;
  const old = transaction.changes.get(request.key)?.old ?? server.rows.get(request.key) ?? null;
  transaction.changes.set(request.key, { key: request.key, old, value });
  return done(value, 1);
}
