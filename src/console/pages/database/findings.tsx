/** What a look at a database has found, and for each thing that is wrong the cure, ready to be copied. */
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { Finding, PreflightView } from '../../contract.ts';
import { amount } from '../../text/format.ts';
import type { Tone } from '../../text/words.ts';
import { Badge } from '../../ui/badge.tsx';
import { Notice } from '../../ui/notice.tsx';

const SIGNS: Readonly<Record<Finding['ok'], { readonly tone: Tone; readonly text: string }>> = {
  ok: { tone: 'good', text: 'Good' },
  warn: { tone: 'warn', text: 'Look at' },
  fail: { tone: 'bad', text: 'To cure' },
};
const ORDER: readonly Finding['ok'][] = ['fail', 'warn', 'ok'];

export function allFindings({ members, cluster }: PreflightView): readonly Finding[] {
  return [...members.flatMap(({ findings }) => findings), ...cluster];
}

export function isReady(findings: readonly Finding[]): boolean {
  return findings.every(({ ok }) => ok !== 'fail');
}

/** Something to be run as it stands, and no advice. */
function isCommand(cure: string): boolean {
  return /^(--|lockstep |[A-Z]{3,} )/.test(cure);
}

export function Findings({ findings }: { readonly findings: readonly Finding[] }): JSX.Element {
  const verdict = useRef<HTMLDivElement>(null);
  // Below a long form it would not be seen.
  useEffect(() => verdict.current?.scrollIntoView({ block: 'nearest' }), []);
  const failed = findings.filter(({ ok }) => ok === 'fail').length;
  const warned = findings.filter(({ ok }) => ok === 'warn').length;
  const ordered = ORDER.flatMap((ok) => findings.filter((finding) => finding.ok === ok));
  return (
    <div ref={verdict} class="verdict">
      <div role="status">
        {failed > 0 ? (
          <Notice tone="bad" title={`Not ready: ${amount(failed, 'thing')} to cure`}>
            <p>Do what is said below on that server, then test again.</p>
          </Notice>
        ) : (
          <Notice
            tone={warned > 0 ? 'warn' : 'good'}
            title={warned > 0 ? `Ready; ${amount(warned, 'thing')} to look at` : 'Ready'}
          />
        )}
      </div>
      <ul class="findings">
        {ordered.map(({ name, ok, found, cure }) => (
          <li key={name + found}>
            <Badge tone={SIGNS[ok].tone}>{SIGNS[ok].text}</Badge>
            <div>
              <strong>{name}</strong>
              {found !== '' && <span>: {found}</span>}
              {cure !== undefined && (
                <div class="cure">
                  <span class="cure-word">Cure</span>
                  {isCommand(cure) ? <code class="pre">{cure}</code> : <span class="pre">{cure}</span>}
                  {isCommand(cure) && (
                    <button
                      type="button"
                      class="button small"
                      aria-label={`Copy the cure of ${name}`}
                      onClick={() => void navigator.clipboard.writeText(cure)}
                    >
                      Copy
                    </button>
                  )}
                </div>
              )}
            </div>
          </li>
        ))}
      </ul>
    </div>
  );
}
