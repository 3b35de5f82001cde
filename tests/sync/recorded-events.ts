/** What a node in this process says, kept as it says it; a test can act in the very moment. */

import type { LogFields, Logger } from '../../src/telemetry/index.ts';

export interface RecordedEvents {
  readonly logger: Logger;
  /** In order, with their fields. */
  readonly all: readonly LogFields[];
  of(type: string, member?: string): readonly LogFields[];
  /** Called with each event before anything else happens; undefined: with none any more. */
  watch(react: ((event: LogFields) => void) | undefined): void;
}

export function recordEvents(): RecordedEvents {
  const all: LogFields[] = [];
  let reaction: ((event: LogFields) => void) | undefined;
  const take = (fields: LogFields): void => {
    if (fields['event'] === undefined) return;
    all.push(fields);
    reaction?.(fields);
  };
  return {
    logger: { trace: take, debug: take, info: take, warn: take, error: take },
    all,
    of: (type, member) =>
      all.filter((one) => one['event'] === type && (member === undefined || one['member'] === member)),
    watch: (react) => (reaction = react),
  };
}
