/** From a fresh clone to a running demo. Further words go to `lockstep demo`. */

import { fileURLToPath } from 'node:url';
import { ensureBuilt, ensureInstalled } from './house.js';

await ensureInstalled();
await ensureBuilt();
// In this process, not in a child: a Ctrl-C or a SIGTERM reaches the demo once, and nothing stands between.
const program = new URL('../bin/lockstep.js', import.meta.url);
process.argv = [process.execPath, fileURLToPath(program), 'demo', ...process.argv.slice(2)];
await import(program.href);
