/** The cheapest kills; `node scripts/mutants.js` makes them all. */

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const script = join(import.meta.dirname, '../../scripts/mutants.js');

const cheapest = [
  'apply-out-of-order',
  'acknowledge-before-the-last-replica',
  'replay-a-commit',
  'skip-the-tombstone-of-a-dead-commit',
  'cancel-hits-another-session',
];

test('mutants: those that are cheap to plant are killed', { timeout: 300_000 }, async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [script, ...cheapest]);
  expect(stdout).toContain(`${cheapest.length} killed, 0 alive`);
});
