import type {
  Answer,
  AnswerSink,
  CommitOptions,
  MemberError,
  RunOptions,
  SessionLink,
  SoFar,
  TransactionState,
} from '../../dialects/contract.ts';
import { MemberError as Failure } from '../../dialects/contract.ts';
import type { Connection } from './connection.ts';
import type { Backend, LoggedCommit, SimServer } from './sim-server.ts';
import { SimWriteSet } from './sim-write-set.ts';
import type { WriteSetWatch } from './sim-write-set.ts';
import { execute } from './toy-requests.ts';
import type { ToyBegin, ToyRequest } from './toy-requests.ts';
import type { World } from './world.ts';

export class SimSessionLink implements SessionLink {
  readonly memberId: string;
  readonly connection: Connection;
  readonly #world: World;
  readonly #server: SimServer;
  readonly #handOut: () => WriteSetWatch;
  #transaction: TransactionState = 'none';

  constructor(world: World, connection: Connection, handOut: () => WriteSetWatch) {
    this.#world = world;
    this.#server = connection.server;
    this.memberId = connection.server.id;
    this.connection = connection;
    this.#handOut = handOut;
  }

  get transaction(): TransactionState {
    return this.#transaction;
  }

  get lost(): MemberError | undefined {
    return this.connection.lost;
  }

  async run(request: unknown, sink: AnswerSink, options: RunOptions): Promise<Answer> {
    const { answer, bytes, state } = await this.connection.call((backend) => {
      if (options.begin !== undefined) this.#server.begin(backend, options.begin as ToyBegin);
      return execute(this.#server, backend, request as ToyRequest, options.mayBeUnsuitable !== 'no');
    });
    this.#transaction = state;
    if (answer.unsuitable === undefined) sink.write(bytes);
    return answer;
  }

  async commit(options: CommitOptions): Promise<'committed' | 'refused'> {
    const world = this.#world;
    const { connection } = this;
    try {
      let outcome: 'committed' | 'refused';
      if (options.large) {
        const finished = await connection.call((backend) => this.#finish(backend, options));
        outcome =
          finished === 'refused'
            ? 'refused'
            : await connection.call((backend) => this.#commit(backend, options, finished));
      } else {
        outcome = await connection.call(async (backend) => {
          const finished = await this.#finish(backend, options);
          if (finished === 'refused') return 'refused';
          const result = await this.#commit(backend, options, finished);
          if (world.flawed('forgets-to-answer') && world.random.happens(0.1))
            await new Promise(() => undefined);
          return result;
        });
      }
      this.#transaction = 'none';
      if (outcome === 'refused') options.sink.write(Buffer.from(JSON.stringify({ error: '40001' })));
      return outcome;
    } catch (error) {
      // An error of this kind takes the connection with it.
      if (error instanceof Failure && error.blame === 'fenced') connection.lose(error.message, error);
      throw error;
    }
  }

  async #finish(backend: Backend, options: CommitOptions): Promise<LoggedCommit | null | 'refused'> {
    const server = this.#server;
    const { transaction } = backend;
    await server.work(backend, 0.2);
    if (transaction === undefined || transaction.failed) {
      server.rollback(backend);
      return 'refused';
    }
    server.fence(backend, options.term);
    try {
      server.needsSpace();
    } catch {
      server.rollback(backend);
      return 'refused';
    }
    const changes = [...transaction.changes.values()];
    const { csn, term, slot } = options;
    const record = changes.length === 0 ? null : { csn, term, slot, payload: JSON.stringify(changes) };
    await server.lock(backend, `csn ${csn}`);
    if (record !== null && server.log.has(csn)) {
      this.#world.violated('G3', `CSN ${csn} is used twice on the primary ${server.id}`);
      server.rollback(backend);
      return 'refused';
    }
    const half = this.#world.flawed('hands-out-half') ? JSON.stringify(changes.slice(0, -1)) : undefined;
    const payload = record === null ? null : (half ?? record.payload);
    // It leaves before the commit can be seen by anybody.
    this.connection.push(() =>
      options.onWriteSet(payload === null ? null : new SimWriteSet(payload, this.#handOut())),
    );
    return record;
  }

  async #commit(
    backend: Backend,
    options: CommitOptions,
    record: LoggedCommit | null,
  ): Promise<'committed' | 'refused'> {
    const server = this.#server;
    // Long enough for somebody to ask meanwhile.
    await server.work(backend, this.#world.flawed('settles-by-guess') ? 20 : 0.5);
    const { random, profile } = this.#world;
    if (backend.transaction?.serializable && random.happens(profile.commitRefusedRate)) {
      server.rollback(backend);
      return 'refused';
    }
    server.commit(backend, record === null ? [] : [record], options.term);
    return 'committed';
  }

  async rollback(): Promise<void> {
    if (this.#transaction === 'none') return;
    await this.#end();
  }

  async endReadOnly(): Promise<void> {
    await this.#end();
  }

  async #end(): Promise<void> {
    await this.connection.call(async (backend) => {
      await this.#server.work(backend, 0.05);
      this.#server.rollback(backend);
    });
    this.#transaction = 'none';
  }

  writeSetSoFar(): Promise<SoFar> {
    return Promise.resolve({ bytes: 0, writeSet: undefined });
  }

  pendingBytes(): Promise<number> {
    return this.connection.call((backend) =>
      Promise.resolve(JSON.stringify([...(backend.transaction?.changes.values() ?? [])]).length),
    );
  }

  input(): boolean {
    return true;
  }

  inputDrained(): Promise<void> {
    return Promise.resolve();
  }

  inputEnds(): boolean {
    return true;
  }

  cancel(): Promise<void> {
    return Promise.resolve();
  }

  forget(): void {}

  close(): void {
    this.connection.close();
  }
}
