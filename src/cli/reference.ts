/** docs/reference/commands.md, made from the commands themselves. */
import type { Command } from 'commander';
import { EXAMPLES } from './examples.ts';
import { EXIT_CODES } from './exit-codes.ts';
import { leaves } from './leaves.ts';

export function renderCommandReference(program: Command): string {
  const sections = leaves(program).map(({ path, command }) => {
    const args = command.registeredArguments.map((arg) =>
      arg.required ? `<${arg.name()}>` : `[${arg.name()}]`,
    );
    return [
      `## \`${['lockstep', ...path, ...args].join(' ')}\``,
      '',
      command.description(),
      '',
      ...optionTable(command),
      ...exampleLines(path),
    ].join('\n');
  });
  const codes = Object.values(EXIT_CODES).map(({ status, meaning }) => `| ${status} | ${meaning} |`);
  return [INTRODUCTION, ...sections, EXIT_INTRODUCTION, ...codes, ''].join('\n');
}

function optionTable({ options }: Command): readonly string[] {
  if (options.length === 0) return [];
  const rows = options.map((option) => `| \`${option.flags}\` | ${optionText(option)} |`);
  return ['| option | meaning |', '|---|---|', ...rows, ''];
}

function exampleLines(path: readonly string[]): readonly string[] {
  const examples = EXAMPLES[path.join(' ')] ?? [];
  return examples.length === 0 ? [] : ['```sh', ...examples, '```', ''];
}

function optionText(option: { readonly description: string; readonly defaultValue?: unknown }): string {
  const { description, defaultValue } = option;
  return typeof defaultValue === 'string' ? `${description} (default: \`${defaultValue}\`)` : description;
}

const INTRODUCTION = `# Commands

This page is made from the program's own commands by \`lockstep reference\`; do not edit it.
`;

const EXIT_INTRODUCTION = `## Exit status

| status | meaning |
|---|---|`;
