// Paints all canvases of the page together. Whatever changes on the screen, even one small tile, makes the browser put the
// whole picture together anew; sixty tiles that each paint when their own picture comes would keep it doing nothing else.

/** So many canvases paint with every frame of the screen; more are a wall, which waits for the beat. */
const FEW = 16;
/** Between two paintings of a wall. */
const BEAT_MS = 100;

const canvases = new Set<symbol>();
const waiting = new Map<symbol, () => void>();
let asked = false;
let painted = 0;

function flush(now: number): void {
  asked = false;
  painted = now;
  const all = [...waiting.values()];
  waiting.clear();
  for (const paint of all) paint();
}

function ask(): void {
  if (asked) return;
  asked = true;
  const wait = canvases.size > FEW ? painted + BEAT_MS - performance.now() : 0;
  if (wait > 4) setTimeout(() => requestAnimationFrame(flush), wait);
  else requestAnimationFrame(flush);
}

/** A canvas's place among them. */
export function joinPainting(): { soon(paint: () => void): void; leave(): void } {
  const key = Symbol('canvas');
  canvases.add(key);
  return {
    soon(paint) {
      waiting.set(key, paint);
      ask();
    },
    leave() {
      canvases.delete(key);
      waiting.delete(key);
    },
  };
}
