// Whether the page hears the server, and what it hears is handed to whoever listens.

import type { Camera, Event, Incident, Sink } from '../api/types';
import { follow, type Message } from '../live/sse';
import { session } from './session.svelte';

export interface Stream {
  event: Event;
  incident: Incident;
  camera: Camera;
  sinks: { sinks: Sink[] };
}

type Listener<K extends keyof Stream> = (value: Stream[K]) => void;

class Link {
  state = $state<'connecting' | 'up' | 'down'>('connecting');
  /** Since when nothing is heard. */
  downSince = $state(0);
  /** Messages that could not be read: none is expected, and none may hurt. */
  malformed = $state(0);
  #listeners: { [K in keyof Stream]: Set<Listener<K>> } = {
    event: new Set(), incident: new Set(), camera: new Set(), sinks: new Set(),
  };
  #onOpen = new Set<() => void>();
  #stop: (() => void) | undefined;

  start(): void {
    if (this.#stop) return;
    this.state = 'connecting';
    this.#stop = follow('/stream', {
      open: () => {
        this.state = 'up';
        for (const again of this.#onOpen) again();
      },
      message: (message) => this.#hand(message),
      down: () => {
        if (this.state !== 'down') this.downSince = Date.now();
        this.state = 'down';
      },
      unauthorised: () => session.lose(),
    });
  }

  stop(): void {
    this.#stop?.();
    this.#stop = undefined;
  }

  on<K extends keyof Stream>(kind: K, listener: Listener<K>): () => void {
    this.#listeners[kind].add(listener);
    return () => this.#listeners[kind].delete(listener);
  }

  /** Called at every opening of the stream: what it does not repeat has to be read again. */
  onOpen(again: () => void): () => void {
    this.#onOpen.add(again);
    return () => this.#onOpen.delete(again);
  }

  #hand(message: Message): void {
    const listeners = this.#listeners[message.event as keyof Stream] as Set<(value: unknown) => void> | undefined;
    if (!listeners) return;
    let value: unknown;
    try {
      value = JSON.parse(message.data);
    } catch {
      this.malformed += 1;
      return;
    }
    for (const listener of listeners) listener(value);
  }
}

export const link = new Link();
