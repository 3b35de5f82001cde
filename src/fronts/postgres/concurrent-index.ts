/**
 * CREATE INDEX CONCURRENTLY. The index is built under a name of Lockstep's own, in the client's session, on the primary first and then on each
 * replica. What makes it a part of the schema is a record in the one order, which gives it its name everywhere; until then there is none.
 */

import { randomBytes } from 'node:crypto';
import { LockstepError } from '../../base/index.ts';
import { nobody, thePrimary } from '../../cluster/index.ts';
import type { Session, Work } from '../../cluster/index.ts';
import type { AnswerSink } from '../../dialects/contract.ts';
import type { PostgresRequest } from '../../dialects/postgres/index.ts';
import { buildingPrefix, namesToTry, quoteIdent, quoteLiteral } from '../../sql/index.ts';
import type { Statement } from '../../sql/index.ts';
import { backend, frontend } from '../../wire/postgres/index.ts';
import type { ErrorFields } from '../../wire/postgres/index.ts';
import { indexTexts } from './index-text.ts';
import type { IndexTexts } from './index-text.ts';
import { KeptAnswer } from './kept-answer.ts';
import { controlCall, simpleRequest } from './requests.ts';
import { regclassText } from './schema-work.ts';

export interface IndexHooks {
  /** What an index is called that is not to be cleared away. Returns how to say that it may be, which resolves when it is. */
  spareIndex(name: string): () => Promise<void>;
  /** Begins to build on a table; undefined while somebody else does. Returns how to say that it is over. */
  takeTable(table: string): (() => void) | undefined;
  /** What its expressions call there that is not the server's own; undefined: nothing. */
  indexCalls(memberId: string, name: string): Promise<string | undefined>;
}

export interface IndexParts {
  readonly session: Session;
  readonly sink: AnswerSink;
  readonly hooks: IndexHooks;
  /** Carries out a schema statement in a transaction of its own, of whose success the client hears `answer`. */
  readonly commit: (text: Buffer, before: NonNullable<Work['before']>, answer: Buffer) => Promise<boolean>;
}

/** Names that a server tries one after the other. */
const namesMax = 20;

/** All text has one character for each byte. */
interface Place {
  /** Which no other table is called. */
  readonly table: string;
  /** Of the index, quoted. */
  readonly name: string;
}

interface Plan extends Place {
  readonly texts: IndexTexts;
  readonly building: string;
}

interface Definition {
  readonly schema: string;
  /** Says what it means wherever names are found in `pg_catalog` alone, and has the name that it is built under. */
  readonly definition: string;
}

interface Built extends Definition {
  /** The primary that has it. */
  readonly memberId: string;
}

const ownPath = 'pg_catalog, pg_temp';

/** `ordinary`: nothing can be built concurrently here, and a server says the same of the statement without that word. */
export async function createIndexConcurrently(
  statement: Statement,
  text: Buffer,
  parts: IndexParts,
): Promise<boolean | 'ordinary'> {
  const table = (await findPlace(statement, parts))?.table;
  if (table === undefined) return 'ordinary';
  const texts = indexTexts(text);
  if (texts === undefined) throw notUnderstood();
  // A server builds one at a time on a table. Two of them, or one and the other's record, would be in each other's way.
  let leave: (() => void) | undefined;
  await parts.session.until(() => (leave = parts.hooks.takeTable(table)) !== undefined);
  try {
    const place = await findPlace(statement, parts);
    return place === undefined
      ? 'ordinary'
      : await buildAndName({ texts, building: newName(), ...place }, parts);
  } finally {
    leave?.();
  }
}

async function buildAndName(plan: Plan, parts: IndexParts): Promise<boolean> {
  const { session, sink, hooks } = parts;
  const { building, name } = plan;
  const letGo = hooks.spareIndex(building);
  let done = false;
  let refused: ErrorFields | undefined;
  try {
    const { answer, memberId } = await buildOnPrimary(plan, parts);
    refused = answer.error;
    if (refused !== undefined) return false;
    const code = await hooks.indexCalls(memberId, building);
    if (code !== undefined) throw callsCode(name, code);
    const built = { memberId, ...(await readDefinition(plan, session)) };
    await buildOnReplicas(plan, built, session);
    const before = [controlCall('record_statement', [recordOf(plan, built), '{}', '{}'])];
    const rename = bytes(`ALTER INDEX ${built.schema}.${quoteIdent(building)} RENAME TO ${name}`);
    done = await parts.commit(rename, before, answer.bytes);
    return done;
  } finally {
    const cleared = letGo();
    if (!done) await cleared;
    // What the session has become by code is asked where the last request ran: that is to be the primary.
    if (session.transaction === 'none')
      await session
        .run({ request: ownRead, effect: 'primary-read', bytes: 0 }, nobody)
        .catch(() => undefined);
    // Who is told that it has failed finds nothing left.
    if (refused !== undefined) sink.write(backend.errorResponse(asSent(refused, plan)));
  }
}

const newName = (): string => `${buildingPrefix}${randomBytes(8).toString('hex')}`;

const ownRead = simpleRequest(frontend.query('SELECT'));

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const query = (sql: string): PostgresRequest => simpleRequest(frontend.query(bytes(sql)));

/** Where it is to be, and under which name. Undefined: the table is not there, or temporary; or the name is taken. */
async function findPlace(
  { index, bytewise, targets: [target] = [] }: Statement,
  { session }: IndexParts,
): Promise<Place | undefined> {
  if (index === undefined || target === undefined) return undefined;
  const named = (words: string): string => (bytewise ? words : Buffer.from(words).toString('latin1'));
  const names = namesToTry(index, namesMax);
  const is = 'OPERATOR(pg_catalog.=)';
  const sql = `SELECT c.oid, (
      SELECT pg_catalog.min(t.place) FROM pg_catalog.unnest(ARRAY[${names.map((name) => quoteLiteral(named(name))).join(', ')}]::pg_catalog.text[]) WITH ORDINALITY AS t (name, place)
       WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class x WHERE x.relnamespace ${is} n.oid AND x.relname ${is} t.name::pg_catalog.name))
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid ${is} c.relnamespace
   WHERE c.oid ${is} pg_catalog.to_regclass(${quoteLiteral(named(regclassText(target)))})::pg_catalog.oid AND c.relpersistence OPERATOR(pg_catalog.<>) 't'`;
  const kept = new KeptAnswer();
  await session.run({ request: query(sql), effect: 'primary-read', bytes: sql.length }, kept);
  const [table, place] = kept.row ?? [];
  const name = names[Number(place) - 1];
  if (table === undefined || name === undefined) return undefined;
  return { table, name: named(quoteIdent(name)) };
}

async function buildOnPrimary(
  plan: Plan,
  { session, sink }: IndexParts,
): Promise<{ readonly answer: KeptAnswer; readonly memberId: string }> {
  const { building, name, texts } = plan;
  const answer = new KeptAnswer(sink);
  const placed = await session.runAt(
    thePrimary,
    {
      request: simpleRequest(frontend.query(texts.concurrently(building))),
      effect: 'write',
      before: [controlCall('begin_building')],
      after: [controlCall('end_building')],
      bytes: 0,
    },
    answer,
  );
  const memberId = placed?.memberId ?? session.primaryId;
  const failed = placed === undefined || placed.answer.failed;
  if (failed && answer.error === undefined) throw notBuilt(name, memberId, noReason);
  return { answer, memberId };
}

/** Names in the statement may have come to mean something else, which nobody has looked at: what counts is what has been made. */
async function readDefinition({ building, name }: Plan, session: Session): Promise<Definition> {
  const is = 'OPERATOR(pg_catalog.=)';
  // The setting is for this statement alone.
  const sql = `SELECT pg_catalog.quote_ident(n.nspname), CASE WHEN pg_catalog.set_config('search_path', '${ownPath}', true) IS NOT NULL THEN pg_catalog.pg_get_indexdef(c.oid) END
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid ${is} c.relnamespace WHERE c.relname ${is} '${building}'`;
  const kept = new KeptAnswer();
  await session.run({ request: query(sql), effect: 'primary-read', bytes: sql.length }, kept);
  const [schema, definition] = kept.row ?? [];
  if (schema === undefined || definition === undefined) throw notBuilt(name, session.primaryId, gone);
  return { schema, definition };
}

async function buildOnReplicas(plan: Plan, { memberId, definition }: Built, session: Session): Promise<void> {
  const request = query(definition.replace(/^CREATE (UNIQUE )?INDEX /, '$&CONCURRENTLY '));
  const before = [controlCall('begin_building'), query(`SET search_path = ${ownPath}`)];
  // What was committed before there was an index on the primary may hold twice what it has made sure is there once.
  await session.untilReplicasFollow();
  const built = new Set([memberId]);
  // Who has come back meanwhile is among them.
  for (;;) {
    const id = session.replicaIds.find((one) => !built.has(one));
    if (id === undefined) break;
    const kept = new KeptAnswer();
    const placed = await session.runAt(id, { request, effect: 'write', before, bytes: 0 }, kept);
    if (placed?.answer.failed) throw notBuilt(plan.name, id, kept.error ?? noReason);
    built.add(id);
  }
  if (!built.has(session.primaryId)) throw notBuilt(plan.name, session.primaryId, moved);
}

/** With its own name, in the place of the one that it was built under, and of the client's text. */
function asSent({ position, ...error }: ErrorFields, { texts, building, name }: Plan): ErrorFields {
  const bare = Buffer.from(name.replace(/^"(.*)"$/, '$1').replaceAll('""', '"'), 'latin1').toString();
  const entries = Object.entries(error).map(([key, value]) => [
    key,
    typeof value === 'string' ? value.replaceAll(building, bare) : value,
  ]);
  return {
    ...(Object.fromEntries(entries) as ErrorFields),
    ...(position !== undefined && { position: String(texts.position(building, Number(position))) }),
  };
}

/** What the members carry out in the one order. Who has it built gives it its name; who has come later builds it there and then. */
function recordOf({ building, name }: Plan, { schema, definition }: Definition): Buffer {
  const index = `${schema}.${quoteIdent(building)}`;
  const tag = `$lockstep_${randomBytes(8).toString('hex')}$`;
  return bytes(`DO ${tag} BEGIN
  PERFORM pg_catalog.set_config('search_path', '${ownPath}', true);
  IF EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass(${quoteLiteral(index)}) AND indisvalid) THEN
    BEGIN
      ALTER INDEX ${index} RENAME TO ${name};
      RETURN;
    EXCEPTION WHEN undefined_table THEN
      -- It has been dropped in this moment.
    END;
  END IF;
  DROP INDEX IF EXISTS ${index};
  ${definition.replace(quoteIdent(building), () => name)};
END ${tag}`);
}

function notUnderstood(): LockstepError {
  return new LockstepError({
    code: 'front.index-text',
    message: 'CREATE INDEX CONCURRENTLY cannot be carried to the other members as it is written',
    hint: 'Nothing took effect. Write the name of the index in plain letters or double quotes, without comments around it.',
    sqlState: '0A000',
  });
}

function callsCode(name: string, code: string): LockstepError {
  return new LockstepError({
    code: 'front.index-code',
    message: `index ${name} depends on ${code}, and cannot be built CONCURRENTLY`,
    hint: 'Nothing took effect. Leave out CONCURRENTLY.',
    sqlState: '0A000',
  });
}

const noReason = { message: 'it gives no reason', code: 'XX000' };
const gone = { message: 'it is not there any more', code: '40001' };
const moved = { message: 'it has become the primary meanwhile', code: '40001' };

function notBuilt(
  name: string,
  memberId: string,
  error: Pick<ErrorFields, 'message' | 'code'>,
): LockstepError {
  return new LockstepError({
    code: 'front.index-not-built',
    message: `member ${memberId} has not built index ${name}: ${error.message}`,
    hint: 'Nothing took effect: what was built is dropped. Run it again.',
    sqlState: error.code,
  });
}
