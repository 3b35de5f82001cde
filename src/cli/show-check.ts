import type { CheckReport, Finding } from './program.ts';

export function showCheck(report: CheckReport): string {
  const groups = report.members.map(({ id, url, findings }) => ({ title: `${id}  ${url}`, findings }));
  if (report.cluster.length > 0) groups.push({ title: 'all members', findings: report.cluster });
  const width = Math.max(0, ...groups.flatMap(({ findings }) => findings.map(({ name }) => name.length)));
  const blocks = groups.map(({ title, findings }) =>
    [title, ...findings.map((finding) => showFinding(finding, width))].join('\n'),
  );
  return [...blocks, verdict(report)].join('\n\n');
}

export interface FindingGroup {
  readonly title: string;
  readonly findings: readonly Finding[];
}

/** What is well is counted, and only the rest is said. */
export function showDiagnosis(groups: readonly FindingGroup[]): string {
  const bad = groups.map(({ title, findings }) => ({
    title,
    findings,
    wrong: findings.filter(({ ok }) => ok !== 'ok'),
  }));
  const width = Math.max(0, ...bad.flatMap(({ wrong }) => wrong.map(({ name }) => name.length)));
  const blocks = bad.map(({ title, findings, wrong }) => {
    const well = findings.length - wrong.length;
    const head = wrong.length === 0 ? `${title}: well` : `${title}: ${well} of ${findings.length} well`;
    return [head, ...wrong.map((finding) => showFinding(finding, width))].join('\n');
  });
  const count = (ok: Finding['ok']): number =>
    bad.flatMap(({ wrong }) => wrong.filter((one) => one.ok === ok)).length;
  const summary =
    count('fail') > 0
      ? `${count('fail')} to mend, ${count('warn')} to look at`
      : count('warn') > 0
        ? `nothing to mend, ${count('warn')} to look at`
        : 'all is well';
  return [...blocks, summary].join('\n\n');
}

export function findingsOf(report: CheckReport): readonly Finding[] {
  return [...report.members.flatMap(({ findings }) => findings), ...report.cluster];
}

function showFinding({ ok, name, found, cure }: Finding, width: number): string {
  const line = `  ${ok.padEnd(4)}  ${name.padEnd(width)}  ${found}`.trimEnd();
  return cure === undefined ? line : `${line}\n        cure: ${cure.replaceAll('\n', '\n              ')}`;
}

function verdict(report: CheckReport): string {
  const findings = findingsOf(report);
  const failed = findings.filter(({ ok }) => ok === 'fail').length;
  const warned = findings.filter(({ ok }) => ok === 'warn').length;
  if (failed > 0) return `not ready: ${failed} to cure, ${warned} to look at`;
  return warned > 0 ? `ready; ${warned} to look at` : 'ready';
}
