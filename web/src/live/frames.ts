// Pictures of the live socket, decoded once a camera however many tiles show it.

import type { Scene } from '../api/types';
import { live, type Wish } from './socket';
import type { TileHeader } from './wire';

export interface Shown {
  header: TileHeader;
  picture: ImageBitmap;
  /** When it came, by this browser's clock. */
  at: number;
}

type Listener = (shown: Shown) => void;

class Feed {
  listeners = new Set<Listener>();
  last: Shown | undefined;
  #waiting: { header: TileHeader; body: Uint8Array<ArrayBuffer> } | undefined;
  #decoding = false;
  readonly end: () => void;

  constructor(camera: string) {
    this.end = live.watch(camera, ({ header, body }) => {
      if (header.kind !== 'tile') return;
      this.#waiting = { header, body }; // a picture not decoded yet gives way to the newer one
      if (!this.#decoding) void this.#decode();
    });
  }

  async #decode(): Promise<void> {
    this.#decoding = true;
    while (this.#waiting) {
      const { header, body } = this.#waiting;
      this.#waiting = undefined;
      try {
        const picture = await createImageBitmap(new Blob([body], { type: 'image/jpeg' }));
        const old = this.last;
        this.last = { header, picture, at: Date.now() };
        for (const listener of this.listeners) listener(this.last);
        old?.picture.close();
      } catch {
        live.malformed += 1; // no JPEG: the next picture is another try
      }
    }
    this.#decoding = false;
  }
}

const feeds = new Map<string, Feed>();

/** Shows a camera's pictures to `listener`, beginning with the last one known. */
export function showTiles(wish: Wish, listener: Listener): { change(wish: Wish): void; end(): void } {
  const key = Symbol(wish.camera);
  let feed = feeds.get(wish.camera);
  if (!feed) {
    feed = new Feed(wish.camera);
    feeds.set(wish.camera, feed);
  }
  const mine = feed;
  mine.listeners.add(listener);
  if (mine.last) listener(mine.last);
  live.wish(key, wish);
  return {
    change: (changed) => live.wish(key, changed),
    end: () => {
      live.wish(key, null);
      mine.listeners.delete(listener);
      if (mine.listeners.size > 0) return;
      mine.end();
      mine.last?.picture.close();
      if (feeds.get(wish.camera) === mine) feeds.delete(wish.camera);
    },
  };
}

/** What is drawn over a picture besides its objects. */
export interface Overlay {
  scene: Scene | null;
  boxes: boolean;
  shapes: boolean;
}
