/** Builds the program and the benchmark where they are stale, and runs the benchmark. `npm run bench -- --help` lists the words. */

import { fileURLToPath } from 'node:url';
import { ensureBuilt, ensureInstalled, fail, run, runTool } from './house.js';

await ensureInstalled();
const words = process.argv.slice(2);
// Another checkout's program is that checkout's to build.
if (!words.some((word) => word.startsWith('--program'))) await ensureBuilt();
if ((await runTool('tsc', ['-p', 'tsconfig.bench.json'])) !== 0)
  fail('the benchmark does not build: see above');
const main = fileURLToPath(new URL('../.bench-out/bench/main.js', import.meta.url));
process.exitCode = await run(process.execPath, [main, ...words]);
