/** Things that happen at their time, in order: virtual time moves from one to the next. */
export class EventQueue {
  /** Times and calls as a binary heap: each is no later than the two below it. */
  readonly #times: number[] = [];
  readonly #calls: (() => void)[] = [];
  #nowMs = 0;

  get nowMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, call: () => void): void {
    const times = this.#times;
    const timeMs = this.#nowMs + delayMs;
    let place = times.push(timeMs) - 1;
    this.#calls.push(call);
    while (place > 0) {
      const above = (place - 1) >> 1;
      if (this.#time(above) <= timeMs) break;
      this.#move(above, place);
      place = above;
    }
    this.#set(place, timeMs, call);
  }

  /** Lets everything happen that is due up to then, what is added meanwhile included; false when nothing is left. */
  runUntil(timeMs: number): boolean {
    while (this.#times.length > 0 && this.#time(0) <= timeMs) this.#takeFirst()();
    this.#nowMs = Math.max(this.#nowMs, timeMs);
    return this.#times.length > 0;
  }

  #takeFirst(): () => void {
    const call = this.#call(0);
    this.#nowMs = this.#time(0);
    const timeMs = this.#times.pop() ?? 0;
    const last = this.#calls.pop();
    if (last && this.#times.length > 0) this.#sink(timeMs, last);
    return call;
  }

  #sink(timeMs: number, call: () => void): void {
    const { length } = this.#times;
    let place = 0;
    for (;;) {
      let below = 2 * place + 1;
      if (below >= length) break;
      if (below + 1 < length && this.#time(below + 1) < this.#time(below)) below += 1;
      if (this.#time(below) >= timeMs) break;
      this.#move(below, place);
      place = below;
    }
    this.#set(place, timeMs, call);
  }

  #move(from: number, to: number): void {
    this.#set(to, this.#time(from), this.#call(from));
  }

  #set(place: number, timeMs: number, call: () => void): void {
    this.#times[place] = timeMs;
    this.#calls[place] = call;
  }

  #time(place: number): number {
    return this.#times[place] ?? Infinity;
  }

  #call(place: number): () => void {
    return this.#calls[place] ?? (() => undefined);
  }
}
