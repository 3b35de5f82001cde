/** New transactions of clients wait while an operator has something done: a failover behind the node, say, or a move of its machine. */

import { pause, systemClock } from '../base/index.ts';
import type { CommandResult } from '../admin/index.ts';
import type { Gate } from '../cluster/index.ts';
import type { EngineEventBody } from '../telemetry/index.ts';

export interface PauseParts {
  readonly gate: Gate;
  /** How long open transactions are waited for. */
  readonly waitMs: () => number;
  readonly openTransactions: () => number;
  readonly raise: (event: EngineEventBody) => void;
}

const LOOK_MS = 10;

export class ClientPause {
  readonly #parts: PauseParts;

  constructor(parts: PauseParts) {
    this.#parts = parts;
  }

  get on(): boolean {
    return !this.#parts.gate.open;
  }

  /** Resolves when nothing is open any more, or has been waited for long enough. */
  async pause(): Promise<CommandResult> {
    const { gate, openTransactions, raise, waitMs } = this.#parts;
    const changed = gate.open;
    if (changed) {
      gate.close();
      raise({ type: 'clients-paused' });
    }
    const untilMs = systemClock.monotonicMs() + waitMs();
    while (!gate.open && openTransactions() > 0 && systemClock.monotonicMs() < untilMs)
      await pause(systemClock, LOOK_MS);
    const open = openTransactions();
    const rest = open === 0 ? 'nothing is open.' : `${open} transactions are still open, and may go on.`;
    return {
      changed,
      message: `${changed ? 'New transactions wait' : 'New transactions wait already'}, and ${rest}`,
    };
  }

  resume(): Promise<CommandResult> {
    const { gate, raise } = this.#parts;
    const changed = !gate.open;
    if (changed) {
      gate.reopen();
      raise({ type: 'clients-resumed' });
    }
    return Promise.resolve({ changed, message: changed ? 'Clients go on.' : 'Nobody is kept waiting.' });
  }
}
