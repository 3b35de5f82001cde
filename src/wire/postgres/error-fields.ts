/** The fields of ErrorResponse and NoticeResponse, by name instead of by letter. */

import type { LockstepError } from '../../base/index.ts';

export interface ErrorFields {
  /** Possibly translated: `severityCode` is for programs. */
  readonly severity: string;
  readonly severityCode?: string;
  /** SQLSTATE. */
  readonly code: string;
  readonly message: string;
  readonly detail?: string;
  readonly hint?: string;
  readonly position?: string;
  readonly internalPosition?: string;
  readonly internalQuery?: string;
  readonly where?: string;
  readonly schema?: string;
  readonly table?: string;
  readonly column?: string;
  readonly dataType?: string;
  readonly constraint?: string;
  readonly file?: string;
  readonly line?: string;
  readonly routine?: string;
}

/** In the order in which a server sends them. */
export const ERROR_FIELD_LETTERS: Readonly<Record<keyof ErrorFields, string>> = {
  severity: 'S',
  severityCode: 'V',
  code: 'C',
  message: 'M',
  detail: 'D',
  hint: 'H',
  position: 'P',
  internalPosition: 'p',
  internalQuery: 'q',
  where: 'W',
  schema: 's',
  table: 't',
  column: 'c',
  dataType: 'd',
  constraint: 'n',
  file: 'F',
  line: 'L',
  routine: 'R',
};

export type ErrorSeverity = 'ERROR' | 'FATAL' | 'PANIC' | 'WARNING' | 'NOTICE' | 'INFO' | 'LOG' | 'DEBUG';

/** An error of ours as the client sees it. One without an SQLSTATE is nobody's statement: an internal error. */
export function errorToFields(error: LockstepError, severity: ErrorSeverity = 'ERROR'): ErrorFields {
  return {
    severity,
    severityCode: severity,
    code: error.sqlState ?? 'XX000',
    message: withoutNul(error.message),
    ...(error.hint === undefined ? {} : { hint: withoutNul(error.hint) }),
    ...(error.position === undefined ? {} : { position: String(error.position) }),
  };
}

/** A message may quote what a client sent; a NUL in it would keep the error from being sent at all. */
function withoutNul(text: string): string {
  return text.replaceAll('\0', '\\0');
}
