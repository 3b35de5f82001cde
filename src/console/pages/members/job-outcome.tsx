/** What long work found and did, in words. */
import type { JSX } from 'preact';
import type { JobStatus, SyncReport, TableChange, VerifyReport } from '../../contract.ts';
import { ask } from '../../state/asks.ts';
import type { Ask } from '../../state/asks.ts';
import { mayChange } from '../../state/session.ts';
import { inConsole } from '../../text/hints.ts';
import { amount, bytes, milliseconds } from '../../text/format.ts';
import { Notice } from '../../ui/notice.tsx';

interface OutcomeProps {
  readonly job: JobStatus;
  /** Another question takes the place of this answer. */
  readonly onAsk?: () => void;
}

export function JobOutcome({ job, onAsk }: OutcomeProps): JSX.Element | null {
  if (job.error !== null) {
    return (
      <Notice
        tone={job.state === 'cancelled' ? 'warn' : 'bad'}
        title={job.state === 'cancelled' ? 'Stopped' : 'It failed'}
      >
        <p>{job.error.message}</p>
        {/data of its own/.test(job.error.message) && job.member !== null ? (
          <OwnData id={job.member} onAsk={onAsk} />
        ) : (
          job.error.hint !== undefined && <p class="pre">{inConsole(job.error.hint)}</p>
        )}
      </Notice>
    );
  }
  if (job.result === null) return null;
  if (job.kind === 'verify') return <Verified report={job.result} />;
  if (job.kind === 'sync') return <Synchronised report={job.result} />;
  return (
    <>
      {job.result.members.length + job.result.watched.length === 0 && (
        <Notice tone="good" title="There was nothing to repair" />
      )}
      {job.result.watched.map(({ member, tables }) => (
        <Notice key={member} tone="info" title={`Tables of ${member} that nobody watched`}>
          <p>{tables.join(', ')}: changes of them are captured again.</p>
        </Notice>
      ))}
      {job.result.members.map((report) => (
        <Synchronised key={report.member} report={report} />
      ))}
    </>
  );
}

/** It never comes level by itself: a person says what becomes of what it holds. */
function OwnData({
  id,
  onAsk,
}: {
  readonly id: string;
  readonly onAsk: (() => void) | undefined;
}): JSX.Element | null {
  if (!mayChange.value) return null;
  const choose = (what: Ask['what']) => () => {
    onAsk?.();
    ask.value = { what, id };
  };
  return (
    <div class="row-tools">
      <button type="button" class="button" onClick={choose('replace')}>
        Replace what it holds
      </button>
      <button type="button" class="button" onClick={choose('remove')}>
        Remove {id}, and use another database
      </button>
    </div>
  );
}

function Synchronised({ report }: { readonly report: SyncReport }): JSX.Element {
  const { member, source, strategy, reason, dryRun, tables, keptFile, rows, tookMs } = report;
  const from = source === null ? '' : ` from ${source}`;
  if (dryRun) {
    return (
      <>
        <Notice tone={tables.length === 0 ? 'good' : 'warn'} title={dryRunTitle(report)}>
          <p>
            By {strategy}
            {from}: {reason}. Nothing was changed.
          </p>
        </Notice>
        <Changes tables={tables} missing="to put in" extra="to take out" />
      </>
    );
  }
  return (
    <>
      <Notice tone="good" title={`${member} is active`}>
        <p>
          By {strategy}
          {from}: {reason}. {amount(rows, 'row')}, {bytes(report.bytes)}, in {milliseconds(tookMs)}.
        </p>
        {keptFile !== null && (
          <p>
            Rows that were removed or overwritten are in <code class="breaks">{keptFile}</code>.
          </p>
        )}
      </Notice>
      <Changes tables={tables} missing="put in" extra="taken out" />
    </>
  );
}

function dryRunTitle({ member, strategy, tables }: SyncReport): string {
  if (strategy === 'replay') return `${member} would be given the commits that it missed`;
  if (strategy === 'passive') return `Nothing would be compared: ${member} would be taken for level`;
  return tables.length === 0
    ? `No row of ${member} would change`
    : `Rows of ${amount(tables.length, 'table')} of ${member} would change`;
}

function Verified({ report }: { readonly report: VerifyReport }): JSX.Element {
  const { outcome, reason, members, tables, rows, differences, tookMs } = report;
  const scope = `${members.join(', ')}: ${amount(tables, 'table')}, ${amount(rows, 'row')}, in ${milliseconds(tookMs)}`;
  const titles = {
    equal: 'All members are equal',
    differs: 'Members differ',
    unchecked: 'It could not be checked',
  };
  return (
    <>
      <Notice
        tone={outcome === 'equal' ? 'good' : outcome === 'differs' ? 'bad' : 'warn'}
        title={titles[outcome]}
      >
        <p>{scope}</p>
        {reason !== null && <p>Not checked: {reason}</p>}
      </Notice>
      {differences.map((one) => (
        <section key={one.member}>
          <h3>{one.member} differs</h3>
          <ul>
            {[
              ...one.schema.map((line) => `Schema: ${line}`),
              ...one.sequences.map((line) => `Sequence: ${line}`),
            ].map((line) => (
              <li key={line}>{line}</li>
            ))}
          </ul>
          <Changes tables={one.tables} missing="missing" extra="too many" />
        </section>
      ))}
    </>
  );
}

interface ChangesProps {
  readonly tables: readonly TableChange[];
  readonly missing: string;
  readonly extra: string;
}

function Changes({ tables, missing, extra }: ChangesProps): JSX.Element {
  return (
    <>
      {tables.map((table) => (
        <details key={table.table} class="change" open={tables.length <= 3}>
          <summary>
            <strong>{table.table}</strong>
            {table.missing > 0 && ` · ${amount(table.missing, 'row')} ${missing}`}
            {table.extra > 0 && ` · ${amount(table.extra, 'row')} ${extra}`}
          </summary>
          <ul class="rows mono">
            {table.samples.map(({ kind, row }) => (
              <li key={kind + row} class={kind}>
                <span class="row-sign">{kind === 'missing' ? '+' : '−'}</span>
                <span class="unseen">{kind === 'missing' ? missing : extra}: </span>
                {row}
              </li>
            ))}
            {table.missing + table.extra > table.samples.length && <li>…</li>}
          </ul>
        </details>
      ))}
    </>
  );
}
