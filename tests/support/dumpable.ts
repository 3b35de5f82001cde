import { execFileSync } from 'node:child_process';
import { findPostgres, findPostgresTool } from '../../src/testing/index.ts';
import type { PostgresBinaries } from '../../src/testing/index.ts';

/** Servers of the version of the machine's own pg_dump, which cannot read newer ones. Undefined: there are none. */
export function dumpableServers(): PostgresBinaries | undefined {
  const pgDump = findPostgresTool('pg_dump');
  if (pgDump === undefined) return undefined;
  const major = Number(/\d+/.exec(execFileSync(pgDump, ['--version']).toString())?.[0]);
  try {
    return findPostgres({ prefer: 'system', major });
  } catch {
    return undefined;
  }
}
