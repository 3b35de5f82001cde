/** What is wrong, and the one thing to do about each; and a file for whoever is asked for help. */
import type { JSX } from 'preact';
import { ask } from '../../state/asks.ts';
import { linkTo } from '../../state/route.ts';
import { mayChange } from '../../state/session.ts';
import type { ClusterStatus } from '../../contract.ts';
import { complaintsOf } from '../../text/diagnosis.ts';
import type { Complaint } from '../../text/diagnosis.ts';
import { Icon } from '../../ui/icon.tsx';
import { SupportFile } from './support-file.tsx';

const SHOWN_MAX = 6;

export function DoctorCard({ status }: { readonly status: ClusterStatus }): JSX.Element | null {
  const complaints = complaintsOf(status);
  if (complaints.length === 0) return null;
  return (
    <section class="card doctor" aria-labelledby="doctor-title">
      <header class="section-head">
        <h2 id="doctor-title">What is wrong, and what to do</h2>
        <SupportFile />
      </header>
      <ul class="complaints">
        {complaints.slice(0, SHOWN_MAX).map((complaint) => (
          <Row key={complaint.what + complaint.why} complaint={complaint} />
        ))}
      </ul>
      {complaints.length > SHOWN_MAX && <p class="quiet-text">and {complaints.length - SHOWN_MAX} more</p>}
    </section>
  );
}

function Row({ complaint: { tone, what, why, act } }: { readonly complaint: Complaint }): JSX.Element {
  return (
    <li class={`complaint ${tone}`}>
      <Icon name={tone} />
      <div>
        <strong>{what}</strong>
        <p class="quiet-text">{why}</p>
      </div>
      {act !== undefined && 'page' in act && (
        <a class="button" href={linkTo(act.page)}>
          {act.label}
        </a>
      )}
      {act !== undefined && 'ask' in act && mayChange.value && (
        <button type="button" class="button" onClick={() => (ask.value = act.ask)}>
          {act.label}
        </button>
      )}
    </li>
  );
}
