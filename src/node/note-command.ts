import type { AuditRecord } from '../admin/index.ts';
import { isSecretOption, parseKey } from '../config/index.ts';
import type { KeyPath } from '../config/index.ts';
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
      if (typeof change !== 'object' || change === null || !('path' in change)) return change;
      const { path, value } = change as { readonly path: unknown; readonly value?: unknown };
      return typeof path === 'string' ? { path, value: hidden(parseKey(path), value) } : change;
    }),
  };
}

/** Of a list or a section, what is secret in it. */
function hidden(path: KeyPath, value: unknown): unknown {
  if (isSecretOption(path)) return '[hidden]';
  if (Array.isArray(value)) return value.map((item: unknown, at) => hidden([...path, at], item));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, hidden([...path, key], inner)]),
  );
}
