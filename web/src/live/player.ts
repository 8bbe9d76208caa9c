// Plays a camera's own video: fMP4 from the live socket through Media Source Extensions, near the live edge.

import type { LiveObject } from '../api/types';
import { live } from './socket';
import type { Frame } from './wire';

/** How far behind the newest picture it plays: enough for one late segment. */
const TARGET_S = 0.5;
/** Further behind than this it jumps. */
const JUMP_S = 3;
/** So much of the past is kept. */
const KEEP_S = 20;
/** More segments than this in the queue and the decoder has stopped taking them: begin anew with the next init. */
const MOST_WAITING = 240;

export type PlayerState = 'waiting' | 'playing' | 'unsupported';

export class Player {
  #source: MediaSource | undefined;
  #buffer: SourceBuffer | undefined;
  #waiting: Uint8Array<ArrayBuffer>[] = [];
  #firstPts: number | undefined;
  #offset: number | undefined;
  #objects: { pts: number; objects: LiveObject[] }[] = [];
  #mime = '';
  #ends: (() => void)[] = [];

  constructor(
    readonly video: HTMLVideoElement,
    readonly camera: string,
    readonly onstate: (state: PlayerState, mime: string) => void,
  ) {
    this.#ends.push(live.watch(camera, (frame) => this.#take(frame)));
    live.focus(camera);
  }

  /** What was seen in the picture that the video shows at that time. */
  objectsAt(mediaTime: number): LiveObject[] {
    if (this.#offset === undefined) return this.#objects.at(-1)?.objects ?? [];
    const pts = mediaTime + this.#offset;
    const shown = this.#objects.findLast((one) => one.pts <= pts + 0.02);
    return shown && pts - shown.pts < 1 ? shown.objects : [];
  }

  end(): void {
    live.focus(null);
    for (const end of this.#ends) end();
    this.#drop();
  }

  #take({ header, body }: Frame): void {
    if (header.kind === 'init') this.#begin(header.mime, body, header.pts_ns);
    else if (header.kind === 'no_video') this.onstate('unsupported', header.reason);
    else if (header.kind === 'segment') {
      this.#firstPts ??= header.pts_ns / 1e9;
      this.#waiting.push(body);
      if (this.#waiting.length > MOST_WAITING) this.#waiting.length = 0;
      this.#feed();
    } else if (header.kind === 'objects' || header.kind === 'tile') {
      this.#objects.push({ pts: header.pts_ns / 1e9, objects: header.objects });
      if (this.#objects.length > 300) this.#objects.splice(0, 100);
    }
  }

  #begin(mime: string, init: Uint8Array<ArrayBuffer>, pts: number | undefined): void {
    this.#drop();
    if (pts !== undefined) this.#offset = pts / 1e9; // the video's own times begin at 0 there
    this.#mime = mime;
    if (typeof MediaSource === 'undefined' || !MediaSource.isTypeSupported(mime)) {
      this.onstate('unsupported', mime);
      return;
    }
    const source = new MediaSource();
    this.#source = source;
    this.#waiting = [init];
    source.addEventListener('sourceopen', () => {
      if (this.#source !== source) return;
      URL.revokeObjectURL(this.video.src);
      const buffer = source.addSourceBuffer(mime);
      this.#buffer = buffer;
      buffer.mode = 'segments';
      buffer.addEventListener('updateend', () => {
        if (this.#buffer !== buffer) return; // dropped while it took its last piece in
        this.#settle(buffer);
        this.#feed();
      });
      this.#feed();
    }, { once: true });
    this.video.src = URL.createObjectURL(source);
  }

  #feed(): void {
    const buffer = this.#buffer;
    if (!buffer || buffer.updating || this.#source?.readyState !== 'open') return;
    const next = this.#waiting.shift();
    if (!next) return;
    try {
      buffer.appendBuffer(next);
    } catch {
      live.malformed += 1;
      this.#drop();
      this.onstate('waiting', this.#mime);
    }
  }

  /** After each piece: finds the offset of the times, keeps to the live edge, forgets the past. */
  #settle(buffer: SourceBuffer): void {
    const { buffered } = buffer;
    if (buffered.length === 0) return;
    const start = buffered.start(0);
    const end = buffered.end(buffered.length - 1);
    if (this.#offset === undefined && this.#firstPts !== undefined) this.#offset = this.#firstPts - start;
    const { video } = this;
    const behind = end - video.currentTime;
    if (video.currentTime < start || behind > JUMP_S) video.currentTime = Math.max(start, end - TARGET_S);
    video.playbackRate = behind > TARGET_S * 2.5 ? 1.1 : 1;
    if (video.paused) void video.play().catch(() => {});
    this.onstate('playing', this.#mime);
    if (!buffer.updating && video.currentTime - start > KEEP_S * 2) buffer.remove(0, video.currentTime - KEEP_S);
  }

  #drop(): void {
    this.#source = undefined;
    this.#buffer = undefined;
    this.#waiting = [];
    this.#firstPts = undefined;
    this.#offset = undefined;
    if (this.video.src) {
      URL.revokeObjectURL(this.video.src);
      this.video.removeAttribute('src');
      this.video.load();
    }
  }
}
