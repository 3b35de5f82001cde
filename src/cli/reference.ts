/** docs/reference/commands.md, made from the commands themselves. */
import type { Command } from 'commander';
import { EXIT_CODES } from './exit-codes.ts';

export function renderCommandReference(program: Command): string {
  const sections = leaves(program, []).map(({ path, command }) => {
    const args = command.registeredArguments.map((arg) =>
      arg.required ? `<${arg.name()}>` : `[${arg.name()}]`,
    );
    return [
      `## \`${['lockstep', ...path, ...args].join(' ')}\``,
      '',
      command.description(),
      '',
      '| option | meaning |',
      '|---|---|',
      ...command.options.map((option) => `| \`${option.flags}\` | ${optionText(option)} |`),
      '',
    ].join('\n');
  });
  const codes = Object.values(EXIT_CODES).map(({ status, meaning }) => `| ${status} | ${meaning} |`);
  return [INTRODUCTION, ...sections, EXIT_INTRODUCTION, ...codes, ''].join('\n');
}

interface Leaf {
  readonly path: readonly string[];
  readonly command: Command;
}

/** The commands that do something, which all take an option; groups and hidden ones are left out. */
function leaves(command: Command, path: readonly string[]): readonly Leaf[] {
  const own = path.length > 0 && command.options.length > 0 ? [{ path, command }] : [];
  const shown = command.commands.length === 0 ? [] : command.createHelp().visibleCommands(command);
  return [
    ...own,
    ...shown
      .filter((inner) => inner.name() !== 'help')
      .flatMap((inner) => leaves(inner, [...path, inner.name()])),
  ];
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
