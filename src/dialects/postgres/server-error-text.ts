/**
 * What is said of a server's error in events, logs, webhooks and the console. Rows are the clients': unless the operator wants them
 * there, nothing is passed on in which a value of theirs may stand. What kind of error it was, and of which table, stays.
 */
import type { ErrorFields } from '../../wire/postgres/index.ts';
import { sqlStates } from './sql-states.ts';

const ownStates = new Set<string>(Object.values(sqlStates));

/** Invalid data is quoted in the message. */
const QUOTES_VALUES = /^22/;
/** The message is somebody's own. */
const RAISED_BY = new Set(['exec_stmt_raise', 'exec_stmt_assert']);
/** The innermost place: nobody else makes functions there. */
const OWN_PLACE = /^PL\/pgSQL function lockstep\./;
/** What the server was at, without the data. */
const PLACE = /^(?:PL\/pgSQL function [^"]*|SQL function "[^"]*"[^"]*|COPY [^,:"]+, line \d+)/;

export function serverErrorText(fields: ErrorFields, options: { readonly values: boolean }): string {
  const { code, message, detail } = fields;
  const where = fields.where?.split('\n')[0];
  // Our own functions say all there is to say, of a row its key.
  if (ownStates.has(code) || (RAISED_BY.has(fields.routine ?? '') && OWN_PLACE.test(where ?? '')))
    return detail === undefined ? message : `${message}: ${detail}`;
  if (options.values)
    return `${message}${detail === undefined ? '' : `: ${detail}`}${where === undefined ? '' : ` (${where})`}`;
  const secret = QUOTES_VALUES.test(code) || code.startsWith('P0') || RAISED_BY.has(fields.routine ?? '');
  const place = where === undefined ? undefined : PLACE.exec(where)?.[0];
  return `${secret ? named(fields) : message}${place === undefined ? '' : ` (${place})`}`;
}

function named({ code, schema, table, column, constraint, dataType }: ErrorFields): string {
  const about = [
    table === undefined ? undefined : `table ${schema === undefined ? '' : `${schema}.`}${table}`,
    column === undefined ? undefined : `column ${column}`,
    constraint === undefined ? undefined : `constraint ${constraint}`,
    dataType === undefined ? undefined : `type ${dataType}`,
  ].filter((name) => name !== undefined);
  return `error ${code}${about.length === 0 ? '' : ` at ${about.join(', ')}`}`;
}
