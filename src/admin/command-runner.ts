/** The one way from a door to a command: whether the caller may, the command itself, and a record of what was changed by whom. */
import { LockstepError, messageOf } from '../base/index.ts';
import type { Authority, DoorCommand, Role } from './command.ts';
import { COMMANDS } from './commands/index.ts';
import type { Operations } from './operations.ts';

export interface Caller {
  /** `local`: the command line on the node's own machine. */
  readonly door: 'local' | 'http' | 'sql';
  readonly who: string;
  /** Network address; `local` for the local door. */
  readonly from: string;
  readonly role: Role;
}

/** A command that was asked for and is to be on record. */
export interface AuditRecord {
  readonly door: Caller['door'];
  readonly who: string;
  readonly from: string;
  readonly command: string;
  readonly input: unknown;
  /** `begun`: long work that goes on. `refused`: nothing has happened. */
  readonly outcome: 'done' | 'begun' | 'refused' | 'failed';
  /** Undefined when it was not refused and did not fail. */
  readonly error: string | undefined;
}

export class CommandRunner {
  readonly #operations: Operations;
  readonly #audit: (record: AuditRecord) => void;

  constructor(operations: Operations, audit: (record: AuditRecord) => void) {
    this.#operations = operations;
    this.#audit = audit;
  }

  find(name: string): DoorCommand | undefined {
    return COMMANDS.find((command) => command.name === name);
  }

  async run(command: DoorCommand, input: unknown, caller: Caller): Promise<unknown> {
    const { door, who, from } = caller;
    const by: Authority = door === 'local' ? 'owner' : 'operator';
    if (!command.recorded) {
      checkRole(command, caller);
      return await command.execute(this.#operations, input, by);
    }
    const note = (outcome: AuditRecord['outcome'], error?: unknown): void =>
      this.#audit({
        door,
        who,
        from,
        command: command.name,
        input,
        outcome,
        error: error === undefined ? undefined : messageOf(error),
      });
    try {
      checkRole(command, caller);
      const result = await command.execute(this.#operations, input, by);
      note(command.job ? 'begun' : 'done');
      return result;
    } catch (error) {
      note(error instanceof LockstepError && error.outcome === 'none' ? 'refused' : 'failed', error);
      throw error;
    }
  }
}

function checkRole(command: DoorCommand, caller: Caller): void {
  if (command.role === 'read-only' || caller.role === 'operator') return;
  throw new LockstepError({
    code: 'admin.not-allowed',
    message: `${command.name} is for operators; you are let in to look only`,
    hint: 'log in with the operator token: the file admin-token in the state directory of the node',
  });
}
