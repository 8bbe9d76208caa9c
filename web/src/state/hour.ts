// How many there were in the last hour, in sixty numbers, however many there were.

const MINUTE = 60_000;
const MINUTES = 60;

/** Counts what happened in the last sixty minutes, the present one included; times are milliseconds since 1970. */
export class LastHour {
  #counts = new Uint32Array(MINUTES);
  /** The newest minute that was counted in. */
  #newest = 0;

  /** Notes one that happened at `at`; what is older than an hour is passed over. */
  add(at: number): void {
    const minute = Math.floor(at / MINUTE);
    this.#turnTo(minute);
    if (minute > this.#newest - MINUTES) this.#counts[minute % MINUTES]! += 1;
  }

  /** How many there were in the hour up to `now`. */
  until(now: number): number {
    this.#turnTo(Math.floor(now / MINUTE));
    return this.#counts.reduce((sum, count) => sum + count, 0);
  }

  #turnTo(minute: number): void {
    for (let next = Math.max(this.#newest + 1, minute - MINUTES + 1); next <= minute; next += 1) this.#counts[next % MINUTES] = 0;
    this.#newest = Math.max(this.#newest, minute);
  }
}
