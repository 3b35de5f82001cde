/** Everything that somebody far away has to know, in one file. The node hides secrets in all of it before it gives it out. */
import type { JSX } from 'preact';
import { getConfig, getEvents, getJobs, getTraffic, getVerification } from '../../api/calls.ts';
import { addNote } from '../../state/announce.ts';
import { clockAheadMs, status } from '../../state/live.ts';
import { useAction } from '../../ui/use-action.ts';

const EVENTS_MAX = 1000;

export function SupportFile(): JSX.Element {
  const action = useAction();
  const save = async () => {
    const parts = await action.run(async () => {
      // What cannot be had is no reason to go without the rest.
      const [config, events, jobs, verification, traffic] = await Promise.allSettled([
        getConfig(),
        getEvents({}, EVENTS_MAX),
        getJobs(),
        getVerification(),
        getTraffic(),
      ]);
      const valueOf = (part: PromiseSettledResult<unknown>): unknown =>
        part.status === 'fulfilled' ? part.value : { missing: String(part.reason) };
      const configured =
        config.status === 'fulfilled' ? { ...config.value, options: undefined } : valueOf(config);
      return {
        madeAt: new Date(Date.now() + clockAheadMs.value).toISOString(),
        status: status.value,
        config: configured,
        events: valueOf(events),
        jobs: valueOf(jobs),
        verification: valueOf(verification),
        traffic: valueOf(traffic),
      };
    });
    if (parts === undefined) return;
    const url = URL.createObjectURL(new Blob([JSON.stringify(parts, null, 2)], { type: 'application/json' }));
    const link = document.createElement('a');
    link.href = url;
    link.download = `lockstep-${status.value?.cluster ?? 'cluster'}-${parts.madeAt.replace(/\W/g, '-')}.json`;
    link.click();
    URL.revokeObjectURL(url);
    addNote('good', 'The file has no passwords in it. It names servers, and says what clients ran.');
  };
  return (
    <button type="button" class="button small" aria-disabled={action.busy} onClick={() => void save()}>
      {action.busy ? 'Collecting …' : 'Save a file for support'}
    </button>
  );
}
