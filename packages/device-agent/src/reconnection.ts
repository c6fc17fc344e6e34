import { ended, retryExpired, type ConnectionState } from './connection-status.ts';
import { spreadWindowMs, type Fleet } from './fleet.ts';
import { nextStep, type FailureKind, type NextStep } from './next-step.ts';
import type { RetryPolicy } from './retry-policy.ts';

/** What to do about a device that is not let in. */
export type OnRefusal =
  /** It goes on trying, after minutes at first and about half an hour later: whoever refused it may have been wrong. */
  | 'retry-slowly'
  /** It ends with the refusal: DPS's own, a hub's third in a row, or that of a certificate's validity. */
  | 'end';

/** Options of {@link Reconnection}. Everything it does follows from them and from the times it is told. */
export interface ReconnectionOptions {
  readonly policy: RetryPolicy;
  readonly fleet: Fleet;
  readonly onRefusal: OnRefusal;
  /** Whether there is a DPS to ask. */
  readonly canProvision: boolean;
  /** 0 (inclusive) to 1 (exclusive). */
  readonly random: () => number;
}

/** A try that failed, or a connection that ended. */
export interface Failure {
  readonly kind: FailureKind;
  /** What the service asked to wait, where it did. */
  readonly retryAfterMs?: number | undefined;
  /** Whether a hub is kept, or was given. */
  readonly hasHub: boolean;
  /** Unix milliseconds. */
  readonly nowMs: number;
}

/** Go there after so long; or nowhere any more. */
export type Decision = NextTry | { readonly to: 'nowhere'; readonly why: string; readonly state: ConnectionState };

/** The next try. */
export interface NextTry extends NextStep {
  /** Milliseconds from now. */
  readonly afterMs: number;
  /** Failures in a row. */
  readonly attempt: number;
}

/** A connection that ends sooner is one more failure in a row: the hub's daily quota shows itself in no other way. */
const provenMs = 60_000;

/** "Manage device reconnections": after ten failures in a row, or 15 to 30 minutes, DPS may know better. */
const failuresUntilDps = 10;
const downUntilDpsMs = 15 * 60_000;

/** One refusal sends the device to DPS, the hub may need a moment to know it; a third in a row is an answer. */
const refusalsUntilEnd = 3;

/** Remembers one device's failures in a row and decides on the next try; holds no timer and touches no network. */
export class Reconnection {
  readonly #options: ReconnectionOptions;
  readonly #attemptsInLane = new Map<string, number>();
  #attempt = 0;
  #hubRefusals = 0;
  #failuresSinceDps = 0;
  /** When DPS is asked whether it knows better than the hub, and which part of its window that is; undefined while all is well. */
  #askDps: { readonly atMs: number; readonly share: number } | undefined;
  #connectedAtMs: number | undefined;

  constructor(options: ReconnectionOptions) {
    this.#options = options;
  }

  /** Failures in a row. */
  get attempt(): number {
    return this.#attempt;
  }

  /** Milliseconds to wait before the first connection. */
  startDelayMs(): number {
    return this.#options.random() * (this.#options.fleet.startWindowMs ?? 0);
  }

  connected(nowMs: number): void {
    this.#connectedAtMs = nowMs;
    this.#hubRefusals = 0;
  }

  failed(failure: Failure): Decision {
    const { kind, retryAfterMs = 0, hasHub, nowMs } = failure;
    this.#count(failure);
    const step = nextStep(kind, {
      canProvision: this.#options.canProvision,
      hasHub,
      hubRefusals: this.#hubRefusals,
    });
    if (this.#isAnswer(kind, step)) return { to: 'nowhere', why: step.why, state: ended(step.state) };
    const delayMs = this.#delayMs(step);
    if (delayMs === undefined) return { to: 'nowhere', why: 'the retry policy says so', state: retryExpired };
    // Who asked to wait doesn't hold up the way to the other.
    const afterMs = delayMs + (kind.startsWith(step.to) ? retryAfterMs : 0);
    const decision = { ...step, afterMs, attempt: this.#attempt };
    return this.#canAskDps(step) ? this.#orAskDps(decision, nowMs) : decision;
  }

  #count({ kind, retryAfterMs = 0, nowMs }: Failure): void {
    if (this.#connectedAtMs !== undefined && nowMs - this.#connectedAtMs >= provenMs) this.#beginOutage();
    this.#connectedAtMs = undefined;
    this.#attempt += 1;
    if (kind.startsWith('hub')) this.#hubRefusals = kind === 'hub-refused' ? this.#hubRefusals + 1 : 0;
    // A hub that asks for less is alive and well.
    if (kind !== 'hub-throttled') this.#failuresSinceDps += 1;
    const { atMs, share } = this.#askDps ?? this.#planToAskDps(nowMs);
    // A second draw would bring the earliest of a fleet forward twice.
    const earlyMs = this.#failuresSinceDps === failuresUntilDps ? nowMs + share * this.#dpsWindowMs() : Infinity;
    const notBeforeMs = kind === 'dps-throttled' ? nowMs + retryAfterMs : 0;
    this.#askDps = { atMs: Math.max(notBeforeMs, Math.min(atMs, earlyMs)), share };
  }

  #beginOutage(): void {
    this.#attempt = this.#failuresSinceDps = 0;
    this.#attemptsInLane.clear();
    this.#askDps = undefined;
  }

  #isAnswer(kind: FailureKind, { lane }: NextStep): boolean {
    if (this.#options.onRefusal !== 'end') return false;
    if (kind === 'certificate-not-yet-valid') return true;
    if (kind === 'hub-refused' && this.#options.canProvision) return this.#hubRefusals >= refusalsUntilEnd;
    return lane === 'refused';
  }

  #delayMs({ to, lane }: NextStep): number | undefined {
    const key = `${to} ${lane}`;
    const attemptInLane = (this.#attemptsInLane.get(key) ?? 0) + 1;
    this.#attemptsInLane.set(key, attemptInLane);
    return this.#options.policy.nextDelayMs({ attempt: this.#attempt, lane, attemptInLane, to });
  }

  /** Where the hub asked for less, or refusals are answered in turn, there is no second opinion to be had. */
  #canAskDps({ to, lane }: NextStep): boolean {
    return this.#options.canProvision && to === 'hub' && (lane === 'transient' || lane === 'unavailable');
  }

  /** DPS instead of the hub, where its turn comes before the hub's. */
  #orAskDps(toHub: NextTry, nowMs: number): NextTry {
    const afterMs = Math.max(0, (this.#askDps?.atMs ?? Infinity) - nowMs);
    if (afterMs > toHub.afterMs) return toHub;
    this.#failuresSinceDps = 0;
    this.#askDps = this.#planToAskDps(nowMs + afterMs);
    return { ...toHub, to: 'dps', afterMs, why: 'the hub has been away for long, DPS may know another' };
  }

  #planToAskDps(sinceMs: number): { readonly atMs: number; readonly share: number } {
    const share = this.#options.random();
    return { atMs: sinceMs + downUntilDpsMs + share * Math.max(downUntilDpsMs, this.#dpsWindowMs()), share };
  }

  #dpsWindowMs(): number {
    return spreadWindowMs(this.#options.fleet, 'dps');
  }
}
