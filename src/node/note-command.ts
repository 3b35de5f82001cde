import type { AuditRecord } from '../admin/index.ts';
import { scrub } from '../telemetry/index.ts';
import type { EngineEventBody } from '../telemetry/index.ts';

const INPUT_LENGTH_MAX = 1000;

/** A command that an operator has asked for becomes an event, without the secrets in it. */
export function noteCommand(record: AuditRecord, raise: (event: EngineEventBody) => void): void {
  const input = JSON.stringify(scrub(record.input)) ?? '';
  raise({
    type: 'command-ran',
    ...record,
    input: input.length > INPUT_LENGTH_MAX ? `${input.slice(0, INPUT_LENGTH_MAX)}…` : input,
  });
}
