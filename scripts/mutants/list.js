/**
 * Planted bugs: each makes the engine wrong in one way that a promise forbids, and some check must notice. A mutant is a text that
 * stands exactly once in `src`, and what stands there instead in a test build. See plant.js.
 */

/** Histories of the simulated world, from seed 1 on. */
const histories = { file: 'tests/mutants/histories.test.ts' };

export const mutants = {
  'apply-out-of-order': {
    breaks: 'a commit is applied before the fate of every lower one is known',
    guarantee: 'G3',
    anchor: `      const entry = this.#waiting.get(this.#head + 1);
      if (entry === undefined || !isFinal(entry.fate)) break;`,
    replacement: `      const entry = [...this.#waiting.values()].find(({ fate }) => isFinal(fate));
      if (entry === undefined) break;`,
    check: histories,
  },
  'acknowledge-before-the-last-replica': {
    breaks: 'a client is answered although no replica has confirmed',
    guarantee: 'G1',
    anchor: 'appliedEverywhere: () => this.#streams.appliedEverywhere,',
    replacement: 'appliedEverywhere: () => Infinity,',
    check: histories,
  },
  'deactivate-without-recording': {
    breaks: 'a member is left out, and nothing durable says so',
    guarantee: 'G1, G6',
    anchor: '        await this.#record(members, this.#version + 1, options.primary ?? this.#primary);',
    replacement: `        if (step === 'active') await this.#record(members, this.#version + 1, options.primary ?? this.#primary);
        else {
          this.#members = members;
          this.#version += 1;
          this.#primary = options.primary ?? this.#primary;
        }`,
    check: histories,
  },
  'read-from-a-replica-that-is-behind': {
    breaks: 'a session is answered by a replica that lacks what the session has seen',
    guarantee: 'G4',
    anchor: 'place.allows(reader) && !tried.has(reader.id)',
    replacement: '!tried.has(reader.id)',
    check: histories,
  },
  'ignore-a-late-apply-error': {
    breaks: 'a replica that could not apply a commit counts as one that has',
    guarantee: 'G1, G2',
    anchor: `        else if (error.blame !== 'gone' || ++broken > brokenMax) throw error;`,
    replacement: `        else if (error.blame !== 'gone' || ++broken > brokenMax) {
          if (this.#tail === last) this.#tail = undefined;
          return this.#reached(last.upTo);
        }`,
    check: histories,
  },
  'skip-the-tombstone-of-a-dead-commit': {
    breaks:
      'a commit that was decided against leaves no record, so that whoever has it all the same is not found out',
    guarantee: 'G2, G6',
    anchor: '        entry.tombstone = true;',
    replacement: '        entry.tombstone = false;',
    // The term in the logs gives such a commit away as well, so that nothing goes wrong in the simulated world.
    check: { file: 'tests/cluster/commit-order.test.ts' },
  },
  'trust-an-empty-state': {
    breaks: 'a node without its state takes whatever members answer for equal',
    guarantee: 'G6',
    anchor:
      '  if (!first && found.some(({ report }) => report?.marks !== undefined)) return await fromMarks(found);',
    replacement: `  if (!first && found.some(({ report }) => report?.marks !== undefined))
    return { trusted: found.filter(({ report }) => report !== undefined), distrusted: new Map(), baseCsn: 0 };`,
    check: { file: 'tests/state/remembered.test.ts', test: 'a state that is lost' },
  },
  'term-not-checked': {
    breaks: 'a member lets a node of an older term commit and apply',
    guarantee: 'G7',
    anchor: "`pg_sequence_last_value('lockstep.term'::regclass) IS DISTINCT FROM p_term`",
    replacement: "'false'",
    check: { file: 'tests/dialects/postgres/finish.test.ts' },
  },
  'replay-a-commit': {
    breaks: 'a COMMIT whose outcome is not known is taken for lost, and its transaction is run again',
    guarantee: 'G5',
    anchor: '      const fate = await this.#cluster.settleCommit(ticket, link, error);',
    replacement: `      order.dead(ticket, { tombstone: false });
      const fate = await ticket.outcome;`,
    check: histories,
  },
  'activate-before-the-last-record': {
    breaks: 'a member that joins is recorded active before it has everything that was acknowledged',
    guarantee: 'G6, G8',
    anchor: `  joiner.count();
  const goalCsn = order.dispatched;`,
    replacement: `  joiner.count();
  const goalCsn = 0;`,
    check: histories,
  },
  'copy-from-a-member-that-is-out': {
    breaks: 'a member is made like one that may have missed commits',
    guarantee: 'G6',
    anchor: `    const replica = membership.active.find(
      (id) =>
        id !== primaryId &&
        !roster.load(id).suspect &&
        !this.#parts.isContested(id) &&
        streams.get(id)?.ended === false,
    );
    const source = roster.member(replica ?? primaryId);
    const watched = watch(this.#parts, { source, signal });
    const opening = replica === undefined ? this.#openBetween(data, source) : data.openSnapshot(source);
    try {
      const snapshot = await unlessEnded(world.clock, { signal: watched.signal, ms: questionMs }, opening);
      if (isActive(membership, source)) return { source, snapshot };`,
    replacement: `    const replica = membership.members.find(({ state }) => state !== 'active')?.id;
    const source = roster.member(replica ?? primaryId);
    const watched = watch(this.#parts, { source, signal });
    const opening = data.openSnapshot(source);
    try {
      const snapshot = await unlessEnded(world.clock, { signal: watched.signal, ms: questionMs }, opening);
      if (source !== undefined) return { source, snapshot };`,
    check: histories,
  },
  'forget-the-incomplete-mark': {
    breaks: 'a member is repaired without saying so in itself',
    guarantee: 'G8',
    anchor: '        await step(data.markIncomplete(member, mark, { clusterId, term }));\n',
    replacement: '',
    check: histories,
  },
  'conclude-before-the-copy-is-made': {
    breaks: 'a member is said to stand for a place in the order while its rows are still being repaired',
    guarantee: 'G6, G8',
    anchor: "      const tables = kind === 'diff' ? await data.diff(job) : await data.full(job);",
    replacement: `      const copying = kind === 'diff' ? data.diff(job) : data.full(job);
      copying.catch(() => undefined);
      const tables = [];`,
    check: histories,
  },
  'replay-without-the-last-record': {
    breaks: 'the last record of each page that is read of the log is not given to the member',
    guarantee: 'G2, G8',
    anchor: "        await this.#apply(page.records, 'end');",
    replacement: "        await this.#apply(page.records.slice(0, -1), 'end');",
    check: histories,
  },
  'lose-captures-when-a-savepoint-is-rolled-back': {
    breaks: 'ROLLBACK TO SAVEPOINT also forgets what was captured before the savepoint',
    guarantee: 'G2',
    anchor: `        if (this.#transaction.implicit) throw needsTransaction(savepointWords[statement.kind]);
        return await this.#onPrimary(text);`,
    replacement: `        if (this.#transaction.implicit) throw needsTransaction(savepointWords[statement.kind]);
        if (statement.kind === 'rollback-to') {
          const done = await this.#onPrimary(text);
          const forget = { protocol: 'call', name: 'open_session', values: [] };
          const nowhere = { passedOn: false, write: () => true, drained: () => Promise.resolve(), inputWanted: () => undefined };
          await session.run({ request: forget, effect: 'write', bytes: 0 }, nowhere);
          return done;
        }
        return await this.#onPrimary(text);`,
    check: { file: 'tests/constructs/code.test.ts', test: 'savepoints' },
  },
  'sequence-not-moved': {
    breaks:
      'replicas do not follow the positions of sequences, so that the next primary hands out values twice',
    guarantee: 'G2',
    anchor: '  ELSIF (step > 0 AND v < target)',
    replacement: '  ELSIF false AND (step > 0 AND v < target)',
    check: { file: 'tests/constructs/sessions.test.ts', test: 'sequences stand at the same place' },
  },
  'statement-cache-outlives-the-schema': {
    breaks: 'what a statement is, is remembered when the functions it calls have changed',
    guarantee: 'G2',
    anchor:
      'if (catalog !== this.#catalog || catalog.version !== this.#catalogVersion) this.#forget(catalog);',
    replacement: '',
    check: { file: 'tests/sql/cache.test.ts' },
  },
  'read-under-another-search-path': {
    breaks: "a session's settings, its search path among them, do not reach the members it reads from",
    guarantee: 'G4',
    anchor: '    return this.#entries.filter((entry) => entry.at > given).map((entry) => entry.statement);',
    replacement: '    return none;',
    check: { file: 'tests/fronts/postgres/conversation-members.test.ts', test: 'search_path is in force' },
  },
  'connection-reused-before-ready-for-query': {
    breaks: 'a request counts as over before its ReadyForQuery, so that the next gets the rest of its answer',
    guarantee: 'G4',
    anchor: '      if (type !== Backend.FunctionCallResponse) phase.reader.message(type, frame);',
    replacement: `      phase.reader.message(type, frame);
      if (type === Backend.CommandComplete) {
        phase.reader.flush();
        phase.done.resolve(phase.reader.result(this.#failed, this.#sqlState));
      }`,
    check: { file: 'tests/fronts/postgres/conversation-as-one-server.test.ts' },
  },
  'cancel-hits-another-session': {
    breaks: 'a cancel request reaches another session than the one whose key it shows',
    guarantee: 'G9',
    anchor: 'await this.#targets.get(this.#fingerprint(pid, key))?.cancel();',
    replacement: 'await [...this.#targets.values()].at(-1)?.cancel();',
    check: { file: 'tests/fronts/postgres/cancel-registry.test.ts' },
  },
  'cancel-hits-the-next-statement': {
    breaks: 'a statement is sent to a member while a cancel request for the one before is still on its way',
    guarantee: 'G5',
    anchor: `  async run(request: unknown, sink: AnswerSink, options: RunOptions): Promise<Answer> {
    if (this.#canceling !== undefined) await this.#canceling;`,
    replacement: '  async run(request: unknown, sink: AnswerSink, options: RunOptions): Promise<Answer> {',
    check: { file: 'tests/dialects/postgres/cancel.test.ts', test: 'late' },
  },
};
