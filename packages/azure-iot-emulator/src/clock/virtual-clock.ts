import { startSystemTimer, type StartTimer } from '../mqtt/timer.ts';

/** Where a clock stands beside the system's. */
export interface ClockState {
  readonly offsetMs: number;
  /** Unix milliseconds; undefined while time goes by. */
  readonly frozenAtMs: number | undefined;
}

/** What a user of the emulator may do with its time. */
export interface EmulatorClock {
  /** Unix milliseconds. */
  readonly nowMs: number;
  readonly isFrozen: boolean;
  /** Moves time forward; whatever falls due on the way happens, in order, before this returns. @throws {RangeError} negative */
  advance(ms: number): void;
  /** Moves time to a point, forwards like {@link advance}, or back, where nothing happens again. */
  set(time: Date | number): void;
  /** Time stands still until it is moved or resumed. */
  freeze(): void;
  resume(): void;
  /** Back to the system's time, running. */
  reset(): void;
}

interface Timer {
  readonly dueMs: number;
  readonly call: () => void;
  stop: () => void;
}

/** Options of {@link VirtualClock}. */
export interface VirtualClockOptions {
  /** Unix milliseconds; default `Date.now`. */
  readonly now?: () => number;
  /** Default: the system's timers. */
  readonly startTimer?: StartTimer;
  /** Where the clock stood before, and stands from now on. Default: the system's time. */
  readonly state?: { current: ClockState };
}

/** The system's clock with a lever: one time for all that the emulator judges, and the timers that go by it. */
export class VirtualClock implements EmulatorClock {
  readonly #systemNow: () => number;
  readonly #startSystemTimer: StartTimer;
  readonly #kept: { current: ClockState };
  /** What is kept, at hand: everything that happens asks for the time. */
  #state: ClockState;
  readonly #timers = new Set<Timer>();

  constructor(options: VirtualClockOptions = {}) {
    this.#systemNow = options.now ?? Date.now;
    this.#startSystemTimer = options.startTimer ?? startSystemTimer;
    this.#kept = options.state ?? { current: { offsetMs: 0, frozenAtMs: undefined } };
    this.#state = this.#kept.current;
  }

  get nowMs(): number {
    const { offsetMs, frozenAtMs } = this.#state;
    return frozenAtMs ?? this.#systemNow() + offsetMs;
  }

  /** The same as {@link nowMs}, for whoever takes a function. */
  readonly now = (): number => this.nowMs;

  get isFrozen(): boolean {
    return this.#state.frozenAtMs !== undefined;
  }

  /** Timers that go by this clock. */
  readonly startTimer: StartTimer = (delayMs, call) => {
    const timer: Timer = { dueMs: this.nowMs + delayMs, call, stop: () => undefined };
    this.#timers.add(timer);
    this.#arm(timer);
    return () => {
      timer.stop();
      this.#timers.delete(timer);
    };
  };

  advance(ms: number): void {
    if (!(ms >= 0)) throw new RangeError(`advance: expected 0 ms or more, found ${ms}; set goes back`);
    this.set(this.nowMs + ms);
  }

  set(time: Date | number): void {
    const targetMs = Number(time);
    if (!Number.isFinite(targetMs)) throw new RangeError(`set: expected a time, found ${String(time)}`);
    for (let next = this.#nextDue(targetMs); next; next = this.#nextDue(targetMs)) {
      this.#moveTo(Math.max(this.nowMs, next.dueMs));
      this.#fire(next);
    }
    this.#moveTo(targetMs);
    this.#armAll();
  }

  freeze(): void {
    this.#keep({ ...this.#state, frozenAtMs: this.nowMs });
    for (const { stop } of this.#timers) stop();
  }

  resume(): void {
    this.#keep({ offsetMs: this.nowMs - this.#systemNow(), frozenAtMs: undefined });
    this.#armAll();
  }

  reset(): void {
    this.resume();
    this.set(this.#systemNow());
    this.#keep({ offsetMs: 0, frozenAtMs: undefined });
  }

  #nextDue(untilMs: number): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueMs <= untilMs && (next === undefined || timer.dueMs < next.dueMs)) next = timer;
    }
    return next;
  }

  #moveTo(timeMs: number): void {
    this.#keep({ offsetMs: timeMs - this.#systemNow(), frozenAtMs: this.isFrozen ? timeMs : undefined });
  }

  #keep(state: ClockState): void {
    this.#state = this.#kept.current = state;
  }

  #armAll(): void {
    for (const timer of this.#timers) this.#arm(timer);
  }

  #arm(timer: Timer): void {
    timer.stop();
    if (this.isFrozen) return;
    timer.stop = this.#startSystemTimer(Math.max(0, timer.dueMs - this.nowMs), () => this.#fire(timer));
  }

  #fire(timer: Timer): void {
    timer.stop();
    this.#timers.delete(timer);
    timer.call();
  }
}
