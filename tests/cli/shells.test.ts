/** Completion in the shells themselves, as somebody has it who types; a shell that is not there says so in the name of its test. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SCRIPTS } from '../../src/cli/commands/completion.ts';

const program = fileURLToPath(new URL('../../bin/lockstep.js', import.meta.url));
const LONG_MS = 120_000;
let directory: string;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lockstep-shells-'));
  const bin = join(directory, 'bin');
  await mkdir(bin);
  const shim = `#!/bin/sh\nexec ${JSON.stringify(process.execPath)} ${JSON.stringify(program)} "$@"\n`;
  await writeFile(join(bin, 'lockstep'), shim, { mode: 0o755 });
  await writeFile(join(directory, 'lockstep.yaml'), 'members: [{ id: db1 }, { id: db2 }]\n');
  for (const [shell, script] of Object.entries(SCRIPTS)) await writeFile(join(directory, shell), script);
  env = {
    ...process.env,
    HOME: directory,
    TERM: 'dumb',
    PATH: `${bin}:${process.env['PATH']}`,
    LOCKSTEP_CONFIG: join(directory, 'lockstep.yaml'),
  };
});
afterAll(() => rm(directory, { recursive: true, force: true }));

function inShell(shell: string, sentence: string, act: () => void): void {
  const there = spawnSync(shell, ['-c', 'exit 0']).status === 0;
  const name = `cli: completion: ${shell}: ${sentence}`;
  test.skipIf(!there)(there ? name : `${name} (skipped: ${shell} is not installed)`, act, LONG_MS);
}

function run(shell: string, options: readonly string[], script: string): string {
  return execFileSync(shell, [...options, '-c', script], { encoding: 'utf8', env, timeout: LONG_MS });
}

inShell('bash', 'commands, members and files', () => {
  const ask = (typed: string): string =>
    run(
      'bash',
      ['--norc'],
      `source ${directory}/bash; COMP_WORDS=(${typed}); COMP_CWORD=$((\${#COMP_WORDS[@]}-1))
       _lockstep; echo "\${COMPREPLY[*]}"`,
    ).trim();
  expect(ask('lockstep mem')).toBe('member');
  expect(ask(`lockstep switch-primary ''`)).toBe('db1 db2');
  expect(ask(`lockstep import ''`)).toBe('');
});

inShell('fish', 'commands, members and files', () => {
  const ask = (typed: string): readonly string[] =>
    run('fish', [], `source ${directory}/fish; complete -C ${JSON.stringify(typed)}`)
      .trim()
      .split('\n');
  expect(ask('lockstep mem')).toEqual(['member']);
  expect(ask('lockstep switch-primary ')).toEqual(['db1', 'db2']);
  expect(ask(`lockstep import ${directory}/lock`)).toEqual([`${directory}/lockstep.yaml`]);
});

// Typed at a terminal, because its completion is there only. Each step waits for what the shell shows.
inShell('zsh', 'commands, members and files', () => {
  const typed = String.raw`
    zmodload zsh/zpty || exit 9
    zpty z "zsh -f -i"
    shown() { local seen; zpty -r z seen "*$1*" || exit 1 }
    zpty -w z "PS1='REA''DY> '; autoload -Uz compinit; compinit -u -D; source $HOME/zsh; setopt nolistambiguous"
    shown 'READY> '
    zpty -w -n z $'lockstep switch-pr\t'
    shown 'switch-primary '
    zpty -w -n z $'\t'
    shown 'db1*db2'
    zpty -w -n z $'\x15lockstep import '$HOME$'/lock\t'
    shown 'lockstep.yaml'
    echo done`;
  expect(run('zsh', ['-f'], typed).trim()).toBe('done');
});
