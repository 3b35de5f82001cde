/** How transactions begin, in SQL: always with the access mode spelt out, because connections are read-only by default. */

import type { BeginOptions } from '../../cluster/index.ts';
import type { OwnStatement } from '../../dialects/postgres/index.ts';
import type { TransactionOptions } from '../../sql/index.ts';

export interface SessionDefaults {
  readonly readOnly: boolean;
  /** SERIALIZABLE was made the default of the session. */
  readonly serializable: boolean;
}

export function beginOptions(asked: TransactionOptions, defaults: SessionDefaults): BeginOptions {
  const serializable =
    asked.isolation === undefined ? defaults.serializable : asked.isolation === 'serializable';
  const readOnly = asked.readOnly ?? defaults.readOnly;
  const words = ['BEGIN'];
  if (asked.isolation !== undefined) words.push(`ISOLATION LEVEL ${asked.isolation.toUpperCase()}`);
  words.push(readOnly ? 'READ ONLY' : 'READ WRITE');
  if (asked.deferrable !== undefined) words.push(asked.deferrable ? 'DEFERRABLE' : 'NOT DEFERRABLE');
  // Under SERIALIZABLE even a read-only transaction can conflict with others, all of which are on the primary.
  const elsewhere = readOnly && !serializable;
  const begin: OwnStatement = { sql: words.join(' ') };
  return { begin, readOnly: elsewhere, mayBeRefused: serializable };
}
