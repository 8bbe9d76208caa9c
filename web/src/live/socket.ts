// The one WebSocket of the page. Tiles say what they want to see; the socket asks for all of it, comes back by itself
// after a break, and hands every message to those who watch that camera. A message that cannot be read is counted.

import { read, type Frame } from './wire';

export interface Wish {
  camera: string;
  /** Wanted width in device pixels. */
  width: number;
  mode: 'idle' | 'live';
}

type FrameListener = (frame: Frame) => void;
type StateListener = (camera: string, state: string, cause: string, reason: string) => void;

const FIRST_WAIT_MS = 400;
const LONGEST_WAIT_MS = 8_000;
/** Widths asked for: few, because each is another encoding of the same picture. */
const WIDTHS = [128, 176, 240, 320, 480, 640, 960, 1280, 1920];
/** A picture may be drawn so much larger than it is: nobody sees it, and the next width costs half as much again. */
const STRETCH = 1.1;

export class LiveSocket {
  #socket: WebSocket | undefined;
  #wishes = new Map<symbol, Wish>();
  #focus: string | null = null;
  #listeners = new Map<string, Set<FrameListener>>();
  #onState: StateListener = () => {};
  #wait = FIRST_WAIT_MS;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #telling: ReturnType<typeof setTimeout> | undefined;
  #told = '';
  malformed = 0;

  onState(listener: StateListener): void {
    this.#onState = listener;
  }

  /** Watches a camera's messages. Gives the function that ends it. */
  watch(camera: string, listener: FrameListener): () => void {
    const listeners = this.#listeners.get(camera) ?? new Set();
    listeners.add(listener);
    this.#listeners.set(camera, listeners);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#listeners.delete(camera);
    };
  }

  /** Wishes for tiles of a camera, under a key of the caller's; null takes the wish back. */
  wish(key: symbol, wish: Wish | null): void {
    if (wish) this.#wishes.set(key, wish);
    else this.#wishes.delete(key);
    this.#tellSoon();
  }

  /** Which camera's own video to send, if any. */
  focus(camera: string | null): void {
    this.#focus = camera;
    this.#tellSoon();
  }

  close(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#telling);
    this.#telling = undefined;
    this.#wishes.clear();
    this.#focus = null;
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
  }

  #tellSoon(): void {
    this.#telling ??= setTimeout(() => {
      this.#telling = undefined;
      const wanted = this.#wishes.size > 0 || this.#focus !== null;
      if (!this.#socket && wanted) this.#open();
      else this.#tell();
    }, 20);
  }

  #open(): void {
    clearTimeout(this.#timer);
    const address = new URL('/api/v1/live', location.href);
    address.protocol = address.protocol.replace('http', 'ws');
    const socket = new WebSocket(address);
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    this.#told = '';
    socket.onopen = () => {
      this.#wait = FIRST_WAIT_MS;
      this.#tell();
    };
    socket.onmessage = (message) => this.#take(message.data);
    socket.onclose = () => {
      if (this.#socket !== socket) return;
      this.#socket = undefined;
      this.#timer = setTimeout(() => this.#tellSoon(), this.#wait * (0.7 + Math.random() * 0.6));
      this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT_MS);
    };
  }

  #tell(): void {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    const text = JSON.stringify({ tiles: this.#tiles(), focus: this.#focus });
    if (text === this.#told) return;
    this.#told = text;
    this.#socket.send(text);
  }

  /** One tile a camera: the widest that is wanted, live if anybody wants it live. */
  #tiles(): Wish[] {
    const tiles = new Map<string, Wish>();
    for (const wish of this.#wishes.values()) {
      const known = tiles.get(wish.camera);
      tiles.set(wish.camera, {
        camera: wish.camera,
        width: Math.max(known?.width ?? 0, stepped(wish.width)),
        mode: known?.mode === 'live' ? 'live' : wish.mode,
      });
    }
    return [...tiles.values()];
  }

  #take(data: unknown): void {
    if (data instanceof ArrayBuffer) {
      const frame = read(data);
      if (!frame) {
        this.malformed += 1;
        return;
      }
      for (const listener of this.#listeners.get(frame.header.camera) ?? []) listener(frame);
      return;
    }
    try {
      const { kind, camera, state, cause, reason } = JSON.parse(String(data));
      if (kind === 'no_video' && typeof camera === 'string') {
        const frame: Frame = { header: { kind, camera, reason: String(reason ?? '') }, body: new Uint8Array() };
        for (const listener of this.#listeners.get(camera) ?? []) listener(frame);
      } else if (kind === 'state' && typeof camera === 'string' && typeof state === 'string') {
        this.#onState(camera, state, typeof cause === 'string' ? cause : '', typeof reason === 'string' ? reason : '');
      }
    } catch {
      this.malformed += 1;
    }
  }
}

function stepped(width: number): number {
  return WIDTHS.find((one) => one * STRETCH >= width) ?? (WIDTHS.at(-1) as number);
}

export const live = new LiveSocket();
