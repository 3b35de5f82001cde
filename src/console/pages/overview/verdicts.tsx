/** The two questions that everybody asks first, and the few numbers behind the answers. */
import type { ComponentChildren, JSX } from 'preact';
import type { ClusterStatus } from '../../contract.ts';
import { lastSample, now } from '../../state/live.ts';
import { count, duration, rate } from '../../text/format.ts';
import { lossVerdict, verifiedText, writeVerdict } from '../../text/words.ts';
import type { Verdict } from '../../text/words.ts';
import { Icon } from '../../ui/icon.tsx';

export function Verdicts({ status }: { readonly status: ClusterStatus }): JSX.Element {
  const sample = lastSample.value;
  const active = status.members.filter((member) => member.active).length;
  return (
    <section class="verdicts" aria-label="At a glance">
      <Answer question="Can it write?" verdict={writeVerdict(status)} />
      <Answer question="Can it lose another member?" verdict={lossVerdict(status)} />
      <dl class="facts">
        <Fact name="Active members">
          {active} of {status.members.length}
        </Fact>
        <Fact name="Clients">{count(status.clients)}</Fact>
        <Fact name="Writes">{rate(sample?.writesPerSecond)}/s</Fact>
        <Fact name="Reads">{rate(sample?.readsPerSecond)}/s</Fact>
        <Fact name="Commits so far">{count(status.csn)}</Fact>
        <Fact name="Verified">{verifiedText(status.verification, now.value)}</Fact>
        <Fact name="Up">{duration(status.uptimeMs)}</Fact>
        <Fact name="Serves" wide>
          {status.listen.map((address) => address.replace(/^\w+:\/\//, '')).join(', ')}
        </Fact>
      </dl>
    </section>
  );
}

function Answer({
  question,
  verdict,
}: {
  readonly question: string;
  readonly verdict: Verdict;
}): JSX.Element {
  return (
    <div class={`answer ${verdict.tone}`}>
      <h2>{question}</h2>
      <p class="answer-word">
        <Icon name={verdict.tone} size={22} />
        {verdict.answer}
      </p>
      <p class="answer-detail">{verdict.detail}</p>
    </div>
  );
}

interface FactProps {
  readonly name: string;
  readonly wide?: boolean;
  readonly children: ComponentChildren;
}

function Fact({ name, wide = false, children }: FactProps): JSX.Element {
  return (
    <div class={wide ? 'wide' : undefined}>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
