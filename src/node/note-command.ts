import type { AuditRecord } from '../admin/index.ts';
import { isSecretOption, parseKey } from '../config/index.ts';
import { scrub } from '../telemetry/index.ts';
import type { EngineEventBody } from '../telemetry/index.ts';

const INPUT_LENGTH_MAX = 1000;

/** A command that an operator has asked for becomes an event, without the secrets in it. */
export function noteCommand(record: AuditRecord, raise: (event: EngineEventBody) => void): void {
  const input = JSON.stringify(scrub(withoutSecretOptions(record.input))) ?? '';
  raise({
    type: 'command-ran',
    ...record,
    input: input.length > INPUT_LENGTH_MAX ? `${input.slice(0, INPUT_LENGTH_MAX)}…` : input,
  });
}

/** Options are named by their paths, so that the name of the key does not tell what is secret. */
function withoutSecretOptions(input: unknown): unknown {
  if (typeof input !== 'object' || input === null || !('changes' in input)) return input;
  const { changes } = input;
  if (!Array.isArray(changes)) return input;
  return {
    ...input,
    changes: changes.map((change: unknown) => {
      const path =
        typeof change === 'object' && change !== null && 'path' in change ? change.path : undefined;
      const secret = typeof path === 'string' && isSecretOption(parseKey(path));
      return secret ? { path, value: '[hidden]' } : change;
    }),
  };
}
