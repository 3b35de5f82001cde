/**
 * Everything that must hold: types, lint, format, nothing unused, tests. Words select test files only
 * (`npm test -- tests/wire`). The last line is always `N passed, N failed, N skipped`.
 */

import { ensureBuilt, ensureInstalled, existing, runTool } from './house.js';

await ensureInstalled();

const checks = [
  { tool: 'tsc', words: ['--noEmit', '-p', 'tsconfig.json'] },
  { tool: 'tsc', words: ['--noEmit', '-p', 'src/console/tsconfig.json'] },
  { tool: 'oxlint', words: ['--type-aware', ...existing('src', 'tests', 'bench')] },
  { tool: 'biome', words: ['format', '.'] },
  // Files, exports and packages that nothing uses. Doors may list types for their readers.
  { tool: 'knip', words: [] },
];

let failed = 0;
for (const { tool, words } of checks) {
  if ((await runTool(tool, words)) === 0) continue;
  failed += 1;
  console.error(`\nfailed: ${tool} ${words.join(' ')}`);
}

if (failed > 0) {
  console.log(`\n0 passed, ${failed} failed, 0 skipped`);
  process.exit(1);
}

// Some tests run the program as its users do.
await ensureBuilt();
process.exitCode = await runTool('vitest', ['run', ...process.argv.slice(2)]);
