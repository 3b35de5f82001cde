/** One test of the suite: run with psql, and what two servers have said to it held against each other. */

import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Runs the test at this port, errors in their places. `late`: it was ended. `ms`: how long it took.
 * `places`: `psql`, `suite`, `libraries`, `work`, `database`.
 */
export async function runTest(name, { port, deadlineMs, places }) {
  const { psql, suite, libraries, work, database } = places;
  const script = join(work, `${name}.sql`);
  writeFileSync(script, ownFiles(readFileSync(join(suite, 'sql', `${name}.sql`), 'utf8'), { suite, work }));
  const words = ['-X', '-a', '-q', '-d', database];
  const switches = ['-v', 'HIDE_TABLEAM=on', '-v', 'HIDE_TOAST_COMPRESSION=on'];
  const env = {
    ...process.env,
    PGHOST: '127.0.0.1',
    PGPORT: String(port),
    PGUSER: 'postgres',
    PG_ABS_SRCDIR: suite,
    PG_ABS_BUILDDIR: work,
    PG_LIBDIR: libraries,
    PG_DLSUFFIX: '.so',
  };
  // Both into one file, so that errors stand where they belong.
  const path = join(work, 'output');
  const file = openSync(path, 'w');
  const since = performance.now();
  const late = await new Promise((resolve) => {
    const child = spawn(psql, [...words, ...switches, '-f', script], {
      env,
      cwd: work,
      stdio: ['ignore', file, file],
    });
    closeSync(file);
    let ended = false;
    const timer = setTimeout(() => {
      ended = true;
      child.kill('SIGKILL');
    }, deadlineMs);
    child.once('close', () => {
      clearTimeout(timer);
      resolve(ended);
    });
  });
  return { output: withoutOwn(readFileSync(path, 'utf8')), late, ms: performance.now() - since };
}

/** Lines that only one of them has said; where they are told apart by their order alone, one. */
export function differingLines(a, b) {
  const counts = new Map();
  for (const line of a.split('\n')) counts.set(line, (counts.get(line) ?? 0) + 1);
  for (const line of b.split('\n')) counts.set(line, (counts.get(line) ?? 0) - 1);
  const only = [...counts.values()].reduce((sum, count) => sum + Math.abs(count), 0);
  return only > 0 || a === b ? only : 1;
}

/** Files are read and written where psql runs: the server's files are not those of every member. */
function ownFiles(sql, { suite, work }) {
  const names = new Map();
  const folders = { abs_srcdir: suite, abs_builddir: work };
  for (const [, name, folder, path] of sql.matchAll(/^\\set (\w+) :(\w+) '([^']*)'/gm))
    if (folders[folder] !== undefined) names.set(name, `${folders[folder]}${path}`);
  return sql.replaceAll(/^COPY ([^;]*?)\b(FROM|TO) :'(\w+)'([^;]*);/gim, (whole, what, way, name, rest) => {
    const path = names.get(name);
    return path === undefined ? whole : `\\copy ${`${what}${way} '${path}'${rest}`.replaceAll(/\s+/g, ' ')}`;
  });
}

/** psql names the file in its errors, and shows Lockstep's triggers with the table's own. */
function withoutOwn(output) {
  return output
    .replaceAll(/^psql:[^:\n]*:\d+: /gm, '')
    .replaceAll(/^    "!lockstep_.*\n/gm, '')
    .replaceAll(/^Triggers:\n(?!    ")/gm, '');
}
