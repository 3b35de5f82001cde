/** One running node: configuration, members, engine, front and the operator's door, joined. */

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { LockstepError, Lru, messageOf, systemClock } from '../base/index.ts';
import { CommandRunner, operatorToken } from '../admin/index.ts';
import type { ClusterStatus, CommandResult, HttpDoor, ReloadResult } from '../admin/index.ts';
import { Gate, MeasuredSession, startCluster, Traffic } from '../cluster/index.ts';
import type { Cluster, Effect, SessionLimits } from '../cluster/index.ts';
import type { Config } from '../config/index.ts';
import { FileStateStore } from '../coordination/index.ts';
import { codeOfIndex, PostgresSessionLink } from '../dialects/postgres/index.ts';
import {
  CancelRegistry,
  Conversation,
  Examiner,
  PostgresListener,
  writeFatal,
} from '../fronts/postgres/index.ts';
import type { AuthenticatedClient, KnownBetter, Maintenance } from '../fronts/postgres/index.ts';
import { Classifier } from '../sql/index.ts';
import { EventHub, EventJournal, EventLog, Hooks } from '../telemetry/index.ts';
import type { EngineEventBody, Logger } from '../telemetry/index.ts';
import { buildMembers } from './build-members.ts';
import type { BuiltMembers } from './build-members.ts';
import { ClientPause } from './client-pause.ts';
import { ClientSessions } from './client-sessions.ts';
import { ConfigWatch } from './config-watch.ts';
import { clusterSettings, ConfigInForce } from './config-in-force.ts';
import { hooksOf } from './hooks-of.ts';
import { doorOf } from './door-of.ts';
import type { Door } from './door-of.ts';
import { EngineSync } from './engine-sync.ts';
import { NodeInsight } from './insight.ts';
import { MemberPasswords } from './member-passwords.ts';
import { noteCommand } from './note-command.ts';
import { openDoors } from './open-doors.ts';
import { Operator } from './operator.ts';
import { proveEqual } from './prove-equal.ts';
import { operatorDatabase, OperatorSessions } from './operator-sessions.ts';
import { readMetrics } from './read-metrics.ts';
import type { MetricsParts } from './read-metrics.ts';
import { Reload } from './reload.ts';
import { SchemaReader } from './schema-reader.ts';
import { sweepSequences } from './sequence-sweep.ts';
import { syncTools } from './sync-tools.ts';
import { TrafficSampler } from './traffic-sampler.ts';
import { UnfinishedIndexes } from './unfinished-indexes.ts';

export interface NodeOptions {
  readonly config: Config;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** The operator's word that this member has everything; for this start only. */
  readonly trust?: string | undefined;
  /** Of the program. */
  readonly version?: string;
  /** `logging.level` has changed in the configuration. */
  readonly setLogLevel?: (level: Config['logging']['level']) => void;
}

/** Told of each member that comes back. */
interface OnActivated {
  call: (id: string) => void;
}

/** For those who are told to leave when their time is over to be gone by themselves. */
const farewellMs = 500;
const knownBetterBytesMax = 4096;

export class LockstepNode {
  readonly address: string;
  /** Of the console and the HTTP API; undefined when there is none. */
  readonly adminUrl: string | undefined;
  readonly operator: Operator;
  readonly ended: Promise<void>;
  readonly #inForce: ConfigInForce;
  readonly #reload: Reload;
  readonly #watch: ConfigWatch;
  readonly #logger: Logger;
  readonly #raise: (event: EngineEventBody) => void;
  readonly #cluster: Cluster;
  readonly #built: BuiltMembers;
  readonly #classifier: Classifier;
  readonly #listener: PostgresListener;
  readonly #cancels = new CancelRegistry();
  readonly #conversations = new Set<Conversation>();
  readonly #traffic = new Traffic();
  /** Closed while an operator lets clients wait. */
  readonly #clientGate = new Gate();
  readonly #sampler: TrafficSampler;
  readonly #metricsParts: MetricsParts;
  readonly #runner: CommandRunner;
  readonly #operators: OperatorSessions;
  readonly #sessions: ClientSessions;
  readonly #knownBetter: KnownBetter;
  readonly #limits: SessionLimits;
  readonly #closers: (() => Promise<void>)[] = [];
  #http: HttpDoor | undefined;
  readonly #schema: SchemaReader;
  readonly #unfinished: UnfinishedIndexes;
  readonly #doorOf: (config: Config) => Door;
  #stopping: Promise<void> | undefined;
  #end!: (error?: Error) => void;

  static async start(options: NodeOptions): Promise<LockstepNode> {
    const { config, logger } = options;
    const inForce = new ConfigInForce(config);
    const closers: (() => Promise<void>)[] = [];
    if (process.geteuid?.() === 0)
      logger.warn({}, 'the node runs as root, which it never needs; cure: run it as a user of its own');
    try {
      const store = await FileStateStore.open(config.state);
      closers.push(() => store.close());
      // Left by a node that was killed; what was in them is in the members' logs.
      rmSync(join(config.state, 'spool'), { recursive: true, force: true });
      const journal = new EventJournal({
        directory: config.state,
        onFailure: (message) => logger.warn({}, message),
      });
      closers.push(() => journal.close());
      const hooks = new Hooks({
        hooks: hooksOf(config),
        cluster: config.cluster,
        clock: systemClock,
        environment: process.env,
        raise: (event) => events.raise(event),
      });
      closers.push(() => hooks.close());
      const onActivated: OnActivated = { call: () => undefined };
      const events: EventHub = new EventHub({
        clock: systemClock,
        sinks: [
          new EventLog(logger),
          journal,
          hooks,
          { emit: (event) => event.type === 'member-activated' && onActivated.call(event.member) },
        ],
        onSinkFailure: (message) => logger.error({ message }, 'an event could not be reported'),
      });
      const built = buildMembers(
        config,
        () => inForce.now.deadlines.connectMs,
        (remark) => events.raise(remark),
      );
      closers.push(async () => built.members.forEach(({ member }) => member.close()));
      const cluster = await startCluster({
        settings: clusterSettings(inForce),
        world: { clock: systemClock, random: Math.random, store, raise: (event) => events.raise(event) },
        members: built.members.map(({ member, config: { url, weight } }) => ({ member, url, weight })),
        proveEqual: (members) =>
          proveEqual(members, ({ member, tablesDone, tablesTotal }) =>
            logger.info(
              { member, tablesDone, tablesTotal },
              `first start: the members' data is compared, ${tablesDone} of ${tablesTotal} tables of ${member}`,
            ),
          ),
        source: config.source,
        trust: options.trust,
        tools: syncTools(config, built),
      });
      closers.push(() => cluster.stop());
      const classifier = await Classifier.load({
        parseBytesMax: config.limits.classifyBytes,
        parseTokensMax: config.limits.classifyTokens,
        cacheEntriesMax: config.limits.statementCacheEntries,
        examine: new Examiner().examine,
      });
      const raise = (event: EngineEventBody): void => events.raise(event);
      const token = await operatorToken(config.state, (message) => logger.warn({}, message));
      const more = { journal, cluster, built, classifier, closers, token, onActivated };
      const parts = { options, inForce, hooks, raise, ...more };
      const node = new LockstepNode(parts);
      await node.#open();
      events.raise({
        type: 'node-started',
        cluster: config.cluster,
        term: cluster.term,
        address: node.address,
      });
      return node;
    } catch (error) {
      for (const close of closers.reverse()) await close().catch(() => undefined);
      throw error;
    }
  }

  private constructor(parts: {
    options: NodeOptions;
    inForce: ConfigInForce;
    hooks: Hooks;
    raise: (event: EngineEventBody) => void;
    journal: EventJournal;
    cluster: Cluster;
    built: BuiltMembers;
    classifier: Classifier;
    closers: (() => Promise<void>)[];
    token: string;
    onActivated: OnActivated;
  }) {
    const {
      options,
      inForce,
      hooks,
      raise,
      journal,
      cluster,
      built,
      classifier,
      closers,
      token,
      onActivated,
    } = parts;
    const { config, logger } = options;
    this.#inForce = inForce;
    this.#logger = logger;
    this.#raise = raise;
    this.#cluster = cluster;
    this.#built = built;
    this.#classifier = classifier;
    this.#closers = closers;
    built.setPrimary(() => cluster.primary.id);
    this.#sessions = new ClientSessions({ showsValues: config.logging.values });
    const passwords = new MemberPasswords(cluster, built, logger);
    closers.push(async () => passwords.close());
    this.#doorOf = (wanted) => doorOf(wanted, token, (names) => passwords.ask(names));
    this.#schema = new SchemaReader({ cluster, built, clock: systemClock, logger });
    closers.push(async () => this.#schema.stop());
    this.#unfinished = new UnfinishedIndexes({ cluster, built, clock: systemClock, logger });
    closers.push(async () => this.#unfinished.stop());
    onActivated.call = (id) => this.#unfinished.lookAt(id);
    this.#knownBetter = rememberBetter();
    this.#limits = {
      heldAnswerBytes: 64 * 1024,
      replayBytes: config.limits.replayBytes,
      replayStatements: config.limits.replayStatements,
      get replayMs() {
        return inForce.now.deadlines.replayMs;
      },
      get outageMs() {
        return inForce.now.deadlines.outageMs;
      },
      largeBytes: 4 << 20,
      largeRows: 20_000,
    };
    const { listen } = config;
    this.#listener = new PostgresListener({
      host: listen.postgres.host,
      port: listen.postgres.port,
      ...this.#doorOf(config),
      limits: config.limits,
      loginMs: () => inForce.now.deadlines.loginMs,
      operatorDatabase: operatorDatabase(config),
      databases: [...new Set([config.cluster, ...config.members.map((member) => member.database)])].concat(
        operatorDatabase(config) ?? [],
      ),
      onClient: (client) => this.#serve(client),
      onCancel: (pid, key) => this.#cancels.cancel(pid, key),
      onGuessing: (address, user) => raise({ type: 'passwords-guessed', address, user }),
      logger,
    });
    this.#watch = new ConfigWatch({
      clock: systemClock,
      file: config.file,
      running: () => ({ ...inForce.now, members: built.members.map((one) => one.config) }),
      raise,
    });
    closers.push(async () => this.#watch.stop());
    this.#reload = new Reload({
      watch: this.#watch,
      inForce,
      cluster,
      built,
      prepare: async (next) => {
        const door = this.#doorOf(next);
        const open = await this.#listener.prepare(door);
        return () => {
          open();
          this.#http?.renew(door.tls);
          hooks.replace(hooksOf(next));
        };
      },
      setLogLevel: (level) => options.setLogLevel?.(level),
      raise,
    });
    this.#sampler = new TrafficSampler({
      cluster,
      traffic: this.#traffic,
      clock: systemClock,
      clients: () => this.#listener.clients,
      memberIds: () => built.members.map((one) => one.config.id),
      lagOf: (id) => this.operator.lagOf(id),
    });
    this.operator = new Operator({
      config,
      insight: new NodeInsight({ journal, sampler: this.#sampler, sessions: this.#sessions }),
      sessions: this.#sessions,
      pause: new ClientPause({
        gate: this.#clientGate,
        waitMs: () => inForce.now.deadlines.switchMs,
        openTransactions: () => this.#sessions.openTransactions,
        raise,
      }),
      cluster,
      built,
      sync: new EngineSync(cluster),
      address: () => this.address,
      clients: () => this.#listener.clients,
      versionOf: (id) => built.versions.get(id),
      loadCatalog: () => this.#schema.read(),
      reload: () => this.#reload.run(),
      watch: this.#watch,
    });
    this.#runner = new CommandRunner(this.operator, (record) => noteCommand(record, raise));
    this.#operators = new OperatorSessions(config, this.#runner, options.version ?? 'of development');
    this.#metricsParts = {
      cluster,
      journal,
      operator: this.operator,
      traffic: this.#traffic,
      sampler: this.#sampler,
      wrongPasswords: () => this.#listener.wrongPasswords,
    };
    this.address = '';
    this.adminUrl = undefined;
    this.ended = new Promise(
      (resolve, reject) => (this.#end = (error) => (error === undefined ? resolve() : reject(error))),
    );
    this.ended.catch(() => undefined);
  }

  async #open(): Promise<void> {
    const cluster = this.#cluster;
    await this.#schema.read();
    await cluster.open();
    this.#unfinished.look();
    await this.#listener.start();
    const { host, port } = this.#listener.address;
    (this as { address: string }).address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    this.#http = await openDoors({
      config: this.#inForce.now,
      tls: this.#doorOf(this.#inForce.now).tls,
      operator: this.operator,
      runner: this.#runner,
      metrics: () => readMetrics(this.#metricsParts),
      logger: this.#logger,
      raise: this.#raise,
      onOpen: (close) => this.#closers.push(close),
    });
    (this as { adminUrl: string | undefined }).adminUrl = this.#http?.url;
    await this.#watch.start();
    this.#sampler.start();
    this.#closers.push(async () => this.#sampler.stop());
    cluster.stopped.addEventListener('abort', () => {
      if (cluster.stopped.reason instanceof Error && this.#stopping === undefined)
        void this.#stopBecause(cluster.stopped.reason);
    });
    const endSweep = sweepSequences(cluster, this.#limits, this.#logger);
    this.#closers.push(async () => endSweep());
  }

  /** Opens the console, signed in: once, and soon. Undefined when there is none. */
  consoleLink(): string | undefined {
    return this.#http?.link();
  }

  /** Lets running transactions end, as long as the configuration allows. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stopNow('it was told to').then(() => this.#end());
    return this.#stopping;
  }

  async #stopBecause(reason: Error): Promise<void> {
    this.#stopping ??= this.#stopNow(reason.message);
    await this.#stopping;
    this.#end(reason);
  }

  async #stopNow(reason: string): Promise<void> {
    this.#raise({ type: 'node-stopped', reason });
    const { stopMs } = this.#inForce.now.deadlines;
    const until = systemClock.monotonicMs() + stopMs;
    const stopped = this.#listener.stop({ graceMs: stopMs + farewellMs });
    const goodbye = new LockstepError({
      code: 'node.stopping',
      message: 'the node is shutting down',
      sqlState: '57P01',
      hint: 'Connect again later.',
    });
    const dismiss = (): void => {
      const late = systemClock.monotonicMs() >= until;
      this.#operators.dismiss(goodbye, { all: late });
      for (const conversation of this.#conversations) {
        if (!conversation.busy || late) conversation.end(goodbye);
      }
      if (this.#conversations.size + this.#operators.size > 0) systemClock.after(50, dismiss);
    };
    dismiss();
    await stopped;
    for (const close of this.#closers.splice(0).reverse()) {
      await close().catch((error: unknown) =>
        this.#logger.warn({ error: messageOf(error) }, 'something did not close'),
      );
    }
  }

  async #serve(client: AuthenticatedClient): Promise<void> {
    if (this.#operators.wants(client)) return await this.#operators.serve(client);
    const { user, socket, rest, parameters, cancelKey } = client;
    const config = this.#inForce.now;
    const settings = new Map(parameters);
    const { statementMs, idleInTransactionMs } = config.deadlines;
    if (statementMs > 0 && !settings.has('statement_timeout'))
      settings.set('statement_timeout', String(statementMs));
    if (idleInTransactionMs > 0 && !settings.has('idle_in_transaction_session_timeout')) {
      settings.set('idle_in_transaction_session_timeout', String(idleInTransactionMs));
    }
    const conversation = new Conversation({
      socket,
      rest,
      classifier: this.#classifier,
      catalog: this.#built.catalog,
      hooks: {
        schemaChanging: () => this.#built.catalog.changing(),
        schemaChanged: (known) => this.#schema.changed(known),
        schemaKnown: (depends) => this.#schema.known(depends),
        watchedSettings: () => this.#built.catalog.settings,
        oneDatabaseName: () => new Set(this.#built.members.map((one) => one.config.database)).size === 1,
        maintain: (sql, as) => void this.#maintain(sql, as),
        reindexed: () => this.#unfinished.look(),
        spareIndex: (name) => this.#unfinished.spare(name),
        takeTable: (table) => this.#unfinished.takeTable(table),
        indexCalls: (memberId, name) => this.#indexCalls(memberId, name),
        knownBetter: this.#knownBetter,
      },
      limits: {
        maxMessageBytes: config.limits.maxMessageBytes,
        preparedStatements: config.limits.preparedStatementsPerSession,
      },
      members: () => this.#membersSentence(),
      logger: this.#logger,
    });
    const identity = { user: user.isClusterUser ? undefined : user.name, password: user.password, settings };
    const measures = { traffic: this.#traffic, gate: this.#clientGate };
    const session = new MeasuredSession(this.#cluster, measures, identity, this.#limits, {
      autocommit: () => conversation.autocommit(),
      unasked: (message) => conversation.unasked(message),
      primaryLost: () => conversation.primaryLost(),
      ended: (error) => conversation.end(error),
    });
    const gone = (): void => session.close();
    socket.once('close', gone);
    let first: PostgresSessionLink;
    try {
      first = (await session.open()) as PostgresSessionLink;
    } catch (error) {
      session.close();
      writeFatal(socket, asLoginError(error));
      return;
    }
    socket.off('close', gone);
    if (socket.destroyed) return session.close();
    // The primary's own number, by which clients find each other in pg_stat_activity.
    const { pid } = first;
    const unregister = this.#cancels.register(pid, cancelKey, session);
    const leave = this.#sessions.add({
      user: user.name,
      application: parameters.get('application_name'),
      address: socket.remoteAddress ?? '',
      session,
    });
    this.#conversations.add(conversation);
    try {
      await conversation.serve(session, first.parameters, { pid, key: cancelKey });
    } finally {
      this.#conversations.delete(conversation);
      leave();
      unregister();
    }
  }

  #membersSentence(): string {
    const { membership, primary } = this.#cluster;
    const replicas = membership.active.filter((id) => id !== primary.id);
    const rest =
      replicas.length === 0 ? 'no other member is active' : `active replicas are ${replicas.join(', ')}`;
    return `The primary is ${primary.id}; ${rest}.`;
  }

  async #indexCalls(memberId: string, name: string): Promise<string | undefined> {
    const member = this.#built.members.find((one) => one.member.id === memberId)?.member;
    return await member?.use((connection) => codeOfIndex(connection, name));
  }

  /** VACUUM and its kind, on the replicas. It changes no data, so nobody waits for it. */
  async #maintain(sql: Buffer, { searchPath, role }: Maintenance): Promise<void> {
    const replicas = this.#built.members.filter(
      ({ member: { id } }) =>
        id !== this.#cluster.primary.id && this.#cluster.membership.entry(id)?.state === 'active',
    );
    await Promise.all(
      replicas.map(async ({ member }) => {
        try {
          const connection = await member.openInternal({ search_path: searchPath });
          const done = connection.query(`SET ROLE ${role}`).then(() => connection.query(sql));
          await done.finally(() => connection.close());
        } catch (error) {
          this.#logger.warn(
            { member: member.id, error: messageOf(error) },
            'maintenance failed on a replica',
          );
        }
        this.#unfinished.lookAt(member.id);
      }),
    );
  }

  /** Reads the configuration file again; throws what is wrong with it. */
  reload(): Promise<ReloadResult> {
    return this.operator.reload();
  }

  // ——— what others ask most of the operator's commands

  status(): Promise<ClusterStatus> {
    return this.operator.status();
  }

  activateMember(id: string): Promise<CommandResult> {
    return this.operator.activateMember(id);
  }

  deactivateMember(id: string, reason?: string): Promise<CommandResult> {
    return this.operator.deactivateMember(id, reason);
  }

  switchPrimary(id: string): Promise<CommandResult> {
    return this.operator.switchPrimary(id);
  }
}

function rememberBetter(): KnownBetter {
  const known = new Lru<string, Effect>(5000);
  return {
    get: (text) =>
      known.size === 0 || text.length > knownBetterBytesMax ? undefined : known.get(text.toString('latin1')),
    note: (text, effect) => {
      if (text.length <= knownBetterBytesMax) known.set(text.toString('latin1'), effect);
    },
  };
}

/** What a member answered to a log-in is the client's to know, but not where the member is. */
function asLoginError(error: unknown): LockstepError {
  if (error instanceof LockstepError) return error;
  return new LockstepError({ code: 'node.login', message: messageOf(error), sqlState: '08006' });
}
