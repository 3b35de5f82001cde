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
