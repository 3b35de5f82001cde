/** The cluster at a glance. */
import type { JSX } from 'preact';
import { TrafficCharts } from '../../charts/traffic-charts.tsx';
import { status } from '../../state/live.ts';
import { PageHead, Waiting } from '../../ui/page.tsx';
import { DoctorCard } from './doctor-card.tsx';
import { LatestEvents } from './latest-events.tsx';
import { MemberTable } from './member-table.tsx';
import { HappeningNow } from './happening-now.tsx';
import { Verdicts } from './verdicts.tsx';

export function OverviewPage(): JSX.Element {
  const now = status.value;
  return (
    <>
      <PageHead title="Overview" />
      {now === null ? (
        <Waiting />
      ) : (
        <>
          <Verdicts status={now} />
          <DoctorCard status={now} />
          <HappeningNow status={now} />
          <MemberTable members={now.members} />
          <TrafficCharts />
          <LatestEvents />
        </>
      )}
    </>
  );
}
