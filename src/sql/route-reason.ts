import type { Statement } from './statement.ts';

/** One short sentence: where the statement goes, and why. */
export function routeReason(statement: Statement): string {
  const because = statement.because === undefined ? '' : `: ${statement.because}`;
  switch (statement.kind) {
    case 'read':
      return 'Any active member: it only reads.';
    case 'refused':
    case 'too-large':
      return `Refused: ${statement.refusal?.message ?? 'it cannot be carried'}.`;
    case 'unparsable':
      return `Primary: ${statement.refusal?.message ?? 'it cannot be parsed'}.`;
    case 'maintenance':
      return `Every active member by itself${because}.`;
    case 'write':
    case 'copy-in':
    case 'create-table-as':
      return `Primary, then its rows to the replicas${because}.`;
    case 'ddl':
    case 'create-matview':
    case 'refresh-matview':
      return `Primary, then the statement to the replicas${because}.`;
    case 'primary-read':
    case 'temp-ddl':
    case 'declare-cursor':
    case 'prepare':
    case 'listen':
      return `Primary only${because}.`;
    default:
      return 'The session keeps it itself.';
  }
}
