/** Answers that no member gives. */

import type { AnswerSink } from '../../dialects/contract.ts';
import { backend } from '../../wire/postgres/index.ts';

export function complete(sink: AnswerSink, tag: string): void {
  sink.write(backend.commandComplete(tag));
}

export function warn(sink: AnswerSink, code: string, message: string): void {
  sink.write(backend.noticeResponse({ severity: 'WARNING', severityCode: 'WARNING', code, message }));
}
