/** Who is logged in, and what they do: for operators. */

import { LockstepError, systemClock } from '../base/index.ts';
import type { CommandResult, SessionInfo } from '../admin/index.ts';
import type { MeasuredSession } from '../cluster/index.ts';
import { statementText } from '../fronts/postgres/index.ts';
import { withoutConstants } from '../sql/index.ts';
import { scrubText } from '../telemetry/index.ts';

const STATEMENT_LENGTH_MAX = 1000;

interface ClientSession {
  readonly user: string;
  readonly application: string | undefined;
  readonly address: string;
  readonly session: MeasuredSession;
}

export class ClientSessions {
  readonly #sessions = new Map<number, ClientSession>();
  readonly #showsValues: boolean;
  #last = 0;

  constructor(options: { readonly showsValues: boolean }) {
    this.#showsValues = options.showsValues;
  }

  /** Returns how to take it out again. */
  add(session: ClientSession): () => void {
    const id = ++this.#last;
    this.#sessions.set(id, session);
    return () => void this.#sessions.delete(id);
  }

  list(): readonly SessionInfo[] {
    const nowMs = systemClock.monotonicMs();
    const wallMs = systemClock.wallTime().getTime();
    return [...this.#sessions].map(([id, { user, application, address, session }]) => {
      const { active, sinceMs, request } = session.activity;
      const [link] = session.runningLinks();
      return {
        id,
        user,
        application: application ?? null,
        address,
        state: active ? 'active' : session.transaction === 'none' ? 'idle' : 'idle in transaction',
        since: new Date(wallMs - (nowMs - sinceMs)).toISOString(),
        statement: this.#shown(statementText(request)),
        member: link?.memberId ?? null,
      };
    });
  }

  #shown(statement: string | undefined): string | null {
    if (statement === undefined) return null;
    const text = statement.slice(0, STATEMENT_LENGTH_MAX);
    return scrubText(this.#showsValues ? text : withoutConstants(text));
  }

  get openTransactions(): number {
    return [...this.#sessions.values()].filter(
      ({ session }) => session.inTransaction || session.activity.active,
    ).length;
  }

  async cancel(id: number): Promise<CommandResult> {
    const found = this.#sessions.get(id);
    if (found === undefined) {
      throw new LockstepError({
        code: 'admin.unknown-session',
        message: `there is no session ${id}`,
        hint: 'The client may have gone meanwhile.',
      });
    }
    if (!found.session.activity.active)
      return { changed: false, message: `Session ${id} runs nothing right now.` };
    await found.session.cancel();
    return {
      changed: true,
      message: `Session ${id} is asked to stop what it runs. A commit is carried through.`,
    };
  }
}
