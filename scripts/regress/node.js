/** A node of its own process over the members, and what its operator would do. */

import { execFile, spawn } from 'node:child_process';
import { createWriteStream, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const program = join(dirname(fileURLToPath(import.meta.url)), '../../bin/lockstep.js');
/** A member that was taken out is to be back by then. */
const backMs = 120_000;

/** `log`: the file that gets all it says. `settings`: others than these. */
export async function startNode({ members, database, work, log, settings, primaryReads = false }) {
  const file = join(work, 'lockstep.yaml');
  const config = {
    cluster: database,
    dialect: 'postgres',
    username: 'postgres',
    clients: [{ name: 'postgres', trust: 'loopback' }],
    members: members.map(({ port }, index) => ({
      id: `db${index + 1}`,
      url: `postgres://127.0.0.1:${port}/${database}`,
      weight: index > 0 && primaryReads ? 0 : 1,
    })),
    listen: { postgres: '127.0.0.1:0' },
    state: './state',
    ...settings,
  };
  rmSync(join(work, config.state), { recursive: true, force: true });
  writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
  const child = spawn(process.execPath, [program, 'serve', '--config', file], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  process.once('exit', () => child.kill());
  const kept = log === undefined ? undefined : createWriteStream(log);
  let said = '';
  const watch = watchMembers();
  const port = await new Promise((resolve, reject) => {
    for (const output of [child.stdout, child.stderr])
      output.on('data', (chunk) => {
        kept?.write(chunk);
        watch.read(chunk);
        said = (said + chunk).slice(-100_000);
        const found = /"address":"[^"]*?:(\d+)"/.exec(said);
        if (found) resolve(Number(found[1]));
      });
    child.once('exit', (status) => reject(new Error(`the node ended with status ${status}:\n${said}`)));
  });
  /** What the program says to these words: `status` 0 when it has done what it was asked. */
  const ask = async (...words) => {
    const done = await run(process.execPath, [program, ...words, '--config', file], {
      maxBuffer: 1 << 26,
    }).catch((error) => error);
    return { status: done.code ?? 0, stdout: done.stdout ?? '', stderr: done.stderr ?? '' };
  };
  const ended = () => (child.exitCode === null ? undefined : `the node ended:\n${said.slice(-2_000)}`);
  return {
    port,
    ask,
    /** Which members were taken out since it was asked last, and why; undefined: none. */
    lost: () => ended() ?? watch.takenOut(),
    /** Lets it bring back what it can; what is not active then. */
    restored: async () => {
      for (let tries = 0; ; tries++) {
        const still = ended() ?? watch.inactive();
        if (still === undefined || tries * 100 > backMs) return still;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    },
    stop: () =>
      new Promise((resolve) => {
        kept?.end();
        if (child.exitCode !== null) return resolve();
        child.once('exit', resolve);
        return child.kill();
      }),
  };
}

/** From what the node says, which also tells of who was away for a moment. */
function watchMembers() {
  const out = new Map();
  const told = [];
  let rest = '';
  const listed = (found) =>
    found.length === 0 ? undefined : found.map((pair) => pair.join(': ')).join('; ');
  return {
    read: (chunk) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop();
      for (const line of lines) {
        const [, event] = /"event":"(member-(?:de)?activated)"/.exec(line) ?? [];
        if (event === undefined) continue;
        const { member, reason } = JSON.parse(line);
        if (event === 'member-activated') out.delete(member);
        else {
          out.set(member, reason);
          told.push([member, reason]);
        }
      }
    },
    takenOut: () => listed(told.splice(0)),
    inactive: () => listed([...out]),
  };
}
