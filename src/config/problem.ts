import { LockstepError } from '../base/index.ts';
import type { Position } from './source-text.ts';

/** One thing that is wrong, or unwise, in the file. */
export interface ConfigProblem extends Position {
  readonly severity: 'error' | 'warning';
  readonly file: string;
  /** As an operator would say it: `members[1].url`. Empty when it is about the whole file. */
  readonly key: string;
  readonly message: string;
  readonly allowed?: string;
  readonly didYouMean?: string;
}

export type KeyPath = readonly (string | number)[];

export function showKey(path: KeyPath): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    return text === '' ? part : `${text}.${part}`;
  }, '');
}

/** `lockstep.yaml:7:12: members[0].url: the URL names no database`, and under it what would be right. */
export function showProblem(problem: ConfigProblem): string {
  const place = `${problem.file}:${problem.line}:${problem.column}`;
  const mark = problem.severity === 'warning' ? 'warning: ' : '';
  const lines = [`${place}: ${mark}${problem.key === '' ? '' : `${problem.key}: `}${problem.message}`];
  if (problem.didYouMean !== undefined) lines.push(`    did you mean: ${problem.didYouMean}`);
  if (problem.allowed !== undefined) lines.push(`    allowed: ${problem.allowed}`);
  return lines.join('\n');
}

/** The configuration cannot be used. Carries every problem that was found, not only the first. */
export class ConfigError extends LockstepError {
  readonly problems: readonly ConfigProblem[];

  constructor(file: string, problems: readonly ConfigProblem[]) {
    const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`;
    super({
      code: 'config.invalid',
      message: `${file} has ${count}:\n${problems.map(showProblem).join('\n')}`,
      hint: 'every option is described in docs/reference/configuration.md',
    });
    this.problems = problems;
  }
}
