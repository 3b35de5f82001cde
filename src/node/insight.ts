/** What operators see of the node besides its status, gathered from those who know. */

import type {
  EventFilter,
  EventPage,
  Insight,
  Listeners,
  SessionInfo,
  TrafficSample,
} from '../admin/index.ts';
import type { EventJournal } from '../telemetry/index.ts';
import type { ClientSessions } from './client-sessions.ts';
import type { TrafficSampler } from './traffic-sampler.ts';

export interface InsightParts {
  readonly journal: EventJournal;
  readonly sampler: TrafficSampler;
  readonly sessions: ClientSessions;
}

export class NodeInsight implements Insight {
  readonly #parts: InsightParts;

  constructor(parts: InsightParts) {
    this.#parts = parts;
  }

  events(filter: EventFilter = {}): Promise<EventPage> {
    return Promise.resolve(this.#parts.journal.find(filter));
  }

  traffic(): Promise<readonly TrafficSample[]> {
    return Promise.resolve(this.#parts.sampler.samples);
  }

  sessions(): Promise<readonly SessionInfo[]> {
    return Promise.resolve(this.#parts.sessions.list());
  }

  watch(listeners: Listeners): () => void {
    const { journal, sampler } = this.#parts;
    const stops = [
      journal.listen((event) => listeners.event(event)),
      sampler.listen((sample) => listeners.traffic(sample)),
    ];
    return () => stops.forEach((stop) => stop());
  }
}
