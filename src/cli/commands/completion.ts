/** Completion for shells: a short script that asks the program each time, so that it is never out of date. */
import type { Command } from 'commander';
import { configPath, memberIds } from '../../config/index.ts';
import type { CliIo } from '../cli-io.ts';
import { suggest } from '../complete.ts';
import type { ExitCode } from '../exit-codes.ts';

/** What a script is told instead of words: let the shell complete files. */
const FILES = ':files';

export async function complete(io: CliIo, root: Command, words: readonly string[]): Promise<ExitCode> {
  const suggestion = suggest(root, words);
  const typed = words.at(-1) ?? '';
  const lines = suggestion.kind === 'files' ? [FILES] : [...suggestion.words];
  if (suggestion.kind === 'members') lines.push(...(await memberIds(configPath(configOf(words), io.env))));
  for (const line of lines) if (line === FILES || line.startsWith(typed)) io.stdout.write(`${line}\n`);
  return 'ok';
}

function configOf(words: readonly string[]): string | undefined {
  const at = words.indexOf('--config');
  return at === -1 ? undefined : words[at + 1];
}

export function printCompletion(io: CliIo, shell: string): ExitCode {
  io.stdout.write(SCRIPTS[shell] ?? '');
  return 'ok';
}

export const SCRIPTS: Readonly<Record<string, string>> = {
  bash: `# bash: source <(lockstep completion bash)
_lockstep() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == ${FILES} ]]; then
      compopt -o default 2>/dev/null
    else
      COMPREPLY+=("$line")
    fi
  done < <("\${COMP_WORDS[0]}" complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _lockstep lockstep
`,
  zsh: `#compdef lockstep
# zsh: source <(lockstep completion zsh), behind compinit
_lockstep() {
  local -a found
  found=("\${(@f)$(lockstep complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ $found[1] == ${FILES} ]]; then
    _files
  elif [[ -n $found[1] ]]; then
    compadd -a found
  fi
}
compdef _lockstep lockstep
`,
  fish: `# fish: lockstep completion fish | source
function __lockstep_complete
  set -l words (commandline -opc) (commandline -ct)
  set -l found (lockstep complete -- $words[2..-1] 2>/dev/null)
  if test "$found[1]" = '${FILES}'
    __fish_complete_path (commandline -ct)
  else
    string join \\n -- $found
  end
end
complete -c lockstep -f -a '(__lockstep_complete)'
`,
};
