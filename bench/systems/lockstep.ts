import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Address } from '../pgbench.ts';
import { user } from '../pgbench.ts';
import { findPort, Middleman, versionOf } from './middleman.ts';
import type { StartSystem } from './system.ts';

/** A node as its users start it: a process of its own, with the defaults. */
export const startLockstep: StartSystem = async (databases, context) => {
  const { dir, program, hangDeadlineMs, nodeWords = [] } = context;
  const port = await findPort();
  const file = join(dir, 'lockstep.yaml');
  writeFileSync(file, configuration(databases, port, hangDeadlineMs));
  const words = [...nodeWords, program, 'serve', '--config', file];
  const address = { port, database: databases[0]?.database ?? '' };
  const options = { program: process.execPath, words, dir, address, stopSignal: 'SIGTERM' } as const;
  const middleman = await Middleman.start(options);
  return {
    name: `lockstep${databases.length}`,
    title: `Lockstep, ${databases.length} members`,
    targets: [address],
    databases,
    pid: middleman.pid,
    version: versionOf(process.execPath) ?? 'unknown',
    whyNot: () => undefined,
    primary: async () => primaryOf(program, file),
    stop: () => middleman.stop(),
  };
};

/** The program of `--before`, under its own name. */
export const startBefore: StartSystem = async (databases, context) => {
  if (context.before === undefined) throw new Error('before2 and before3 are run by the program of --before');
  const system = await startLockstep(databases, { ...context, program: context.before });
  const members = databases.length;
  return { ...system, name: `before${members}`, title: `Lockstep before, ${members} members` };
};

/** As the node says it. */
function primaryOf(program: string, file: string): number {
  const answer = execFileSync(process.execPath, [program, 'status', '--json', '--config', file], {
    encoding: 'utf8',
  });
  const { primary } = JSON.parse(answer) as { readonly primary: string };
  return Number(primary.slice('db'.length)) - 1;
}

function configuration(
  databases: readonly Address[],
  port: number,
  hangDeadlineMs: number | undefined,
): string {
  const members = databases.map(
    (one, at) => `  - { id: db${at + 1}, url: "postgres://127.0.0.1:${one.port}/${one.database}" }\n`,
  );
  const deadline =
    hangDeadlineMs === undefined
      ? ''
      : `deadlines: { commitMs: ${hangDeadlineMs} }
probe: { intervalMs: ${hangDeadlineMs / 4}, timeoutMs: ${hangDeadlineMs / 4}, threshold: 2 }
`;
  return `cluster: bench
dialect: postgres
username: ${user}
members:
${members.join('')}listen: { postgres: "127.0.0.1:${port}" }
state: ./state
${deadline}`;
}
