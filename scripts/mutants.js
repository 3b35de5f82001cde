/**
 * Plants one bug after the other and demands that the check which is named for it fails.
 *
 *   node scripts/mutants.js [name …]    those; without a name all of them, and docs/reference/mutants.md is written anew
 */

import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureInstalled } from './house.js';
import { mutants } from './mutants/list.js';
import { placeOf } from './mutants/plant.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const page = join(root, 'docs', 'reference', 'mutants.md');

await ensureInstalled();
const names = process.argv.slice(2);
const chosen = names.length > 0 ? names : Object.keys(mutants);
const rows = [];
let survivors = 0;
for (const name of chosen) {
  const { breaks, guarantee, check } = mutants[name] ?? {};
  placeOf(name);
  const { killedBy, seconds, output } = await attack(name, check);
  if (killedBy === undefined) {
    survivors += 1;
    console.log(`ALIVE   ${name}: nothing failed within ${seconds} s\n${output}`);
  } else console.log(`killed  ${name} after ${seconds} s by: ${killedBy}`);
  rows.push({ name, breaks, guarantee, check, killedBy, seconds });
}
if (names.length === 0) writeFileSync(page, rendered(rows));
console.log(`${chosen.length - survivors} killed, ${survivors} alive`);
process.exitCode = survivors === 0 ? 0 : 1;

/** A check that cannot even be run has killed nothing. */
async function attack(name, { file, test }) {
  const words = [
    'run',
    file,
    '--bail',
    '1',
    '--reporter',
    'json',
    ...(test === undefined ? [] : ['-t', test]),
  ];
  const since = performance.now();
  const { output, said } = await vitest(words, name);
  const seconds = ((performance.now() - since) / 1000).toFixed(0);
  const tests = (said?.testResults ?? []).flatMap(({ assertionResults }) => assertionResults);
  const failed = tests.find(({ status }) => status === 'failed');
  // A history says which promise it broke.
  const broken = / promises:\n {2}- (.*)/.exec(failed?.failureMessages.join('\n') ?? '')?.[1];
  const killedBy = failed && `${failed.fullName.trim()}${broken === undefined ? '' : ` (${broken})`}`;
  return { killedBy, seconds, output };
}

function vitest(words, name) {
  const child = spawn(process.execPath, [join(root, 'node_modules', 'vitest', 'vitest.mjs'), ...words], {
    cwd: root,
    env: { ...process.env, MUTANT: name },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (bytes) => (out += bytes));
  child.stderr.on('data', (bytes) => (err += bytes));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', () =>
      resolve({ output: `${out.slice(-2000)}\n${err.slice(-2000)}`, said: parsed(out) }),
    );
  });
}

function parsed(out) {
  for (const line of out.split('\n').reverse()) {
    if (!line.startsWith('{')) continue;
    try {
      return JSON.parse(line);
    } catch {}
  }
  return undefined;
}

function rendered(rows) {
  const lines = rows.map(
    ({ name, breaks, guarantee, check, killedBy, seconds }) =>
      `| \`${name}\` | ${breaks} | ${guarantee} | ${killedBy === undefined ? '**nothing**' : `\`${check.file}\`: ${killedBy}`} | ${seconds} s |`,
  );
  return `# Mutants

Bugs that are planted to see that they are caught. Each is a small change of the product's code, made in a test build only; the check
named for it must fail. \`node scripts/mutants.js\` plants them all and writes this page; do not edit it.
With names, only those: \`node scripts/mutants.js term-not-checked\`. The time is that of the whole check, its servers and all.

| mutant | what it breaks | guarantee | killed by | after |
|---|---|---|---|---|
${lines.join('\n')}
`;
}
