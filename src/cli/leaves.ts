/** The tree of commands, as help and reference show it. */
import type { Command } from 'commander';

export interface Leaf {
  readonly path: readonly string[];
  readonly command: Command;
}

/** The commands that do something; groups and hidden ones are left out. */
export function leaves(command: Command, path: readonly string[] = []): readonly Leaf[] {
  const acts = command.options.length > 0 || command.registeredArguments.length > 0;
  return [
    ...(path.length > 0 && acts ? [{ path, command }] : []),
    ...visible(command).flatMap((inner) => leaves(inner, [...path, inner.name()])),
  ];
}

/** Subcommands that are shown in help. */
export function visible(command: Command): readonly Command[] {
  return command.commands.length === 0
    ? []
    : command
        .createHelp()
        .visibleCommands(command)
        .filter((one) => one.name() !== 'help');
}
