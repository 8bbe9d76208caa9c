// The last events of one camera, fresh as they come.

import { events as api } from '../../api';
import type { Event } from '../../api/types';
import { link } from '../../state/link.svelte';

const MOST = 150;

export class CameraEvents {
  items = $state.raw<Event[]>([]);
  loaded = $state(false);
  /** Records of intervals are figures, not happenings; they are shown on request. */
  counts = $state(false);
  shown = $derived(this.items.filter((event) => this.counts || !event.kind.endsWith('_count')));

  constructor(readonly camera: string) {}

  /** Reads and follows them; gives the function that ends it. */
  follow(): () => void {
    const stop = new AbortController();
    api.list({ camera: this.camera, limit: 100 }, stop.signal)
      .then((page) => (this.items = page.items))
      .catch(() => {})
      .finally(() => (this.loaded = true));
    const end = link.on('event', (event) => {
      if (event.camera === this.camera) this.items = [event, ...this.items].slice(0, MOST);
    });
    return () => {
      stop.abort();
      end();
    };
  }
}

export const keyOf = (event: Event): string => `${event.id}.${event.revision}`;
