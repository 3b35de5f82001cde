/** What the node advises names commands; in the console there is a button for it. Pure. */

const BUTTONS: readonly (readonly [command: RegExp, words: string])[] = [
  [/lockstep member activate ([\w-]+)/g, '“Activate” at $1, under Members'],
  [/lockstep member deactivate ([\w-]+)/g, '“Deactivate” at $1, under Members'],
  [/lockstep member remove ([\w-]+)/g, '“Remove” at $1, under Database'],
  [/lockstep sync ([\w-]+) --strategy (\w+)/g, '“Synchronise …” at $1, under Members, with $2'],
  [/lockstep sync ([\w-]+)/g, '“Activate” at $1, under Members'],
  [/lockstep repair( [\w-]+)?/g, '“Repair” under Integrity'],
  [/lockstep verify/g, '“Verify now” under Integrity'],
  [/`?lockstep reload`?/g, '“Read the file again” under Database'],
  [/lockstep jobs/g, '“Recent work” under Members'],
];

export function inConsole(hint: string): string {
  return BUTTONS.reduce((text, [command, words]) => text.replaceAll(command, words), hint);
}
