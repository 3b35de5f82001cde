/** Three lights while a URL is typed: the server answers, the login works, the database is empty. Nothing is changed by looking. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { commands } from '../../api/calls.ts';
import type { Candidate, PreflightView } from '../../contract.ts';
import type { Tone } from '../../text/words.ts';
import { Badge } from '../../ui/badge.tsx';

/** Whoever still types is not interrupted. */
const STILL_MS = 900;

const COMPLETE = /^(jdbc:)?postgres(ql)?:\/\/[^/?#\s]+\/[^/?#\s]+/i;

type Looked = PreflightView['members'][number];

/** What is seen at the place that is entered; undefined until the URL is whole, and while it is asked. */
export function useLook(candidate: Candidate): {
  readonly seen: Looked | undefined;
  readonly asking: boolean;
} {
  const [seen, setSeen] = useState<Looked>();
  const [asking, setAsking] = useState(false);
  const asked = useRef(0);
  const { url = '' } = candidate;
  const place = JSON.stringify(candidate);
  useEffect(() => {
    setSeen(undefined);
    setAsking(false);
    const turn = ++asked.current;
    if (!COMPLETE.test(url)) return undefined;
    const timer = window.setTimeout(() => {
      setAsking(true);
      // What is wrong with what was entered is said when the button is pressed.
      void commands
        .preflight(candidate)
        .then(({ members: [first] }) => first)
        .catch(() => undefined)
        .then((found) => {
          if (turn !== asked.current) return;
          setSeen(found);
          setAsking(false);
        });
    }, STILL_MS);
    return () => window.clearTimeout(timer);
  }, [place]);
  useEffect(
    () => () => {
      asked.current = -1;
    },
    [],
  );
  return { seen, asking };
}

export function Lights({
  seen,
  asking,
  mayHold = false,
}: {
  readonly seen: Looked | undefined;
  readonly asking: boolean;
  /** It is the one whose data the others get. */
  readonly mayHold?: boolean;
}): JSX.Element {
  return (
    <ul class="lights" aria-label="What is seen there" aria-live="polite">
      {lightsOf(seen, asking, mayHold).map(({ tone, text }, place) => (
        <li key={place}>
          <Badge tone={tone}>{text}</Badge>
        </li>
      ))}
    </ul>
  );
}

function lightsOf(
  seen: Looked | undefined,
  asking: boolean,
  mayHold: boolean,
): readonly { readonly tone: Tone; readonly text: string }[] {
  const open: Tone = asking ? 'busy' : 'idle';
  const [server, login] = ['Server answers', 'Login works'];
  const empty = mayHold ? 'Database is there' : 'Database is empty';
  if (seen === undefined) return [server, login, empty].map((text) => ({ tone: open, text }));
  const { reach, holds } = seen;
  if (reach === 'nothing')
    return [
      { tone: 'bad', text: 'Server does not answer' },
      { tone: 'idle', text: login },
      { tone: 'idle', text: empty },
    ];
  if (reach === 'server')
    return [
      { tone: 'good', text: server },
      { tone: 'bad', text: 'Login is refused' },
      { tone: 'idle', text: empty },
    ];
  return [
    { tone: 'good', text: server },
    { tone: 'good', text: login },
    reach === 'login'
      ? { tone: 'bad', text: 'There is no such database' }
      : holds === 'its own' && !mayHold
        ? { tone: 'warn', text: 'Database is not empty' }
        : { tone: 'good', text: holds === 'ours' ? 'Database was a member before' : empty },
  ];
}
