/** Operators who come through the front, to the database `lockstep`: they are answered here, and no member knows of them. */

import { randomInt } from 'node:crypto';
import type { LockstepError } from '../base/index.ts';
import { SqlDoor } from '../admin/index.ts';
import type { Caller, CommandRunner } from '../admin/index.ts';
import type { Config } from '../config/index.ts';
import { TableConversation } from '../fronts/postgres/index.ts';
import type { AuthenticatedClient } from '../fronts/postgres/index.ts';

const DATABASE = 'lockstep';
/** What drivers want to know before they ask anything. */
const PARAMETERS = {
  server_version: '17.0 (Lockstep)',
  server_encoding: 'UTF8',
  client_encoding: 'UTF8',
  DateStyle: 'ISO, MDY',
  integer_datetimes: 'on',
  standard_conforming_strings: 'on',
};

/** Undefined where clients have a database of that name: it is theirs. */
export function operatorDatabase({ cluster, members }: Config): string | undefined {
  const taken = cluster === DATABASE || members.some(({ database }) => database === DATABASE);
  return taken ? undefined : DATABASE;
}

export class OperatorSessions {
  readonly #config: Config;
  readonly #door: SqlDoor;
  readonly #open = new Set<TableConversation>();

  constructor(config: Config, runner: CommandRunner, version: string) {
    this.#config = config;
    this.#door = new SqlDoor(runner, version);
  }

  get size(): number {
    return this.#open.size;
  }

  /** Whether the client has come for this. */
  wants({ database }: AuthenticatedClient): boolean {
    return database === operatorDatabase(this.#config);
  }

  async serve({ user, socket, rest, cancelKey }: AuthenticatedClient): Promise<void> {
    const from = socket.remoteAddress ?? '';
    const caller: Caller = { door: 'sql', who: user.name, from, role: 'operator' };
    const conversation = new TableConversation({
      socket,
      rest,
      parameters: PARAMETERS,
      cancelKey: { pid: randomInt(1, 2 ** 31 - 1), key: cancelKey },
      split: (text) => this.#door.split(text),
      prepare: (text) => {
        const { columns, run } = this.#door.prepare(text);
        return { columns, run: () => run(caller) };
      },
    });
    this.#open.add(conversation);
    try {
      await conversation.serve();
    } finally {
      this.#open.delete(conversation);
    }
  }

  /** The node stops. What runs is let end as long as `all` is not wanted. */
  dismiss(goodbye: LockstepError, { all }: { readonly all: boolean }): void {
    for (const conversation of this.#open) if (all || !conversation.busy) conversation.end(goodbye);
  }
}
