/**
 * A connection can die without a word: a machine or a middleman between is gone, and whoever waits for an answer waits for ever.
 * How long an answer may take nobody knows, so the server is asked, over another connection, whether it still works at it.
 */

import type { InternalConnection } from './internal-connection.ts';

/** Without a byte for so long, the server is asked. */
const silentMsDefault = 5_000;

/** Found idle so often in a row: its answer, or what it was asked, was lost on the way. */
const idleMax = 2;

export interface BackendState {
  readonly state: string | null;
  readonly waitsFor: string | null;
  /** Somebody else has what it needs. */
  readonly isLockedOut: boolean;
}

/** Undefined: there is no such server process. */
export type BackendQuestion = (pid: number) => Promise<BackendState | undefined>;

/** It does what it was given, and does not wait for anybody. */
export function isAtWork(backend: BackendState | undefined): boolean {
  if (backend?.state !== 'active' || backend.isLockedOut) return false;
  return backend.waitsFor !== 'ClientRead' && backend.waitsFor !== 'ClientWrite';
}

/** Closes the connection when its silence is found to be one without an end. It ends with the connection. */
export function watchSilence(
  connection: InternalConnection,
  backendOf: BackendQuestion,
  silentMs = silentMsDefault,
): void {
  let heard = connection.heardBytes;
  let idle = 0;
  const again = (): void => {
    setTimeout(() => void look(), silentMs).unref();
  };
  const look = async (): Promise<void> => {
    if (connection.lost !== undefined) return;
    if (connection.heardBytes !== heard || connection.serversTurn === undefined) {
      heard = connection.heardBytes;
      idle = 0;
      return again();
    }
    const works = await backendOf(connection.pid).then(
      (backend) => answers(backend, connection.serversTurn),
      // Whether the member is there at all is for others to judge.
      () => true,
    );
    const silent = connection.heardBytes === heard && connection.serversTurn !== undefined;
    idle = silent && !works ? idle + 1 : 0;
    if (idle === idleMax) connection.close('its answer was lost on the way: the server does not work at one');
    else again();
  };
  again();
}

function answers(backend: BackendState | undefined, turn: InternalConnection['serversTurn']): boolean {
  if (backend?.state !== 'active') return false;
  // It sends what does not arrive, or waits for what has all been sent.
  if (backend.waitsFor === 'ClientWrite') return false;
  return backend.waitsFor !== 'ClientRead' || turn === 'to-take-more';
}
