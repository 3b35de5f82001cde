import { EVENTS } from './events.ts';

/** docs/reference/events.md, made from the catalogue. */
export function renderEventReference(): string {
  const rows = Object.entries(EVENTS).map(([type, doc]) => `| \`${type}\` | ${doc.level} | ${doc.meaning} |`);
  return `# Events

Every change of state is an event with a time and a reason. Each is written to the log, with its name as \`event\`.
This page is made from the program's own catalogue by \`lockstep reference\`; do not edit it.

| event | level | meaning |
|---|---|---|
${rows.join('\n')}
`;
}
