import type { FailureKind } from '@contoso/device-agent';
import {
  defaultHubAssumptions,
  documentedDpsLimits,
  HubError,
  HubQuotas,
  RateLimit,
  ratePerSecond,
  ThrottledError,
  type HubTier,
} from '@contoso/azure-iot-emulator/quotas';
import type { EventQueue } from './event-queue.ts';
import { MinuteRate } from './minute-rate.ts';

/** What a try led to, and how long that took. */
export interface Outcome {
  readonly afterMs: number;
  readonly failure?: { readonly kind: FailureKind; readonly retryAfterMs?: number };
}

/** What is on the other side of the wire: admission alone, by the emulator's own quota rules. */
export interface FleetService {
  /** How many a second it may admit. */
  readonly perSecond: number;
  /** What came, whatever the answer. */
  readonly offered: MinuteRate;
  /** What was turned away for its quota. */
  readonly throttled: number;
  try(): Outcome;
}

/** How long a device waits for a server that doesn't answer. */
const timeoutMs = 20_000;
/** DNS, TCP, TLS and MQTT's CONNECT. */
const handshakeMs = 300;
/** What DPS tells a device to wait before it asks how its registration stands. */
const registeringMs = 3_000;

/** A hub; `answer` says how it is at that moment: there, silent, or without this fleet's devices. */
export class SimulatedHub implements FleetService {
  readonly perSecond: number;
  readonly offered = new MinuteRate();
  readonly #events: EventQueue;
  readonly #answer: (nowMs: number) => 'there' | 'silent' | 'refusing';
  readonly #quotas: HubQuotas;
  #throttled = 0;
  #shapedMs = 0;

  constructor(events: EventQueue, tier: HubTier, answer: (nowMs: number) => 'there' | 'silent' | 'refusing') {
    this.#events = events;
    this.#answer = answer;
    this.perSecond = ratePerSecond(tier, 'connections');
    this.#quotas = new HubQuotas({
      mode: 'enforced',
      now: () => events.nowMs,
      startTimer: (delayMs) => {
        this.#shapedMs = delayMs;
        return () => undefined;
      },
      assumptions: defaultHubAssumptions,
    });
    this.#quotas.setTier(tier);
  }

  get throttled(): number {
    return this.#throttled;
  }

  try(): Outcome {
    this.offered.count(this.#events.nowMs);
    const answer = this.#answer(this.#events.nowMs);
    if (answer === 'silent') return { afterMs: timeoutMs, failure: { kind: 'hub-unreachable' } };
    this.#shapedMs = 0;
    try {
      void this.#quotas.pass('connections');
    } catch (error) {
      if (!(error instanceof HubError)) throw error;
      this.#throttled += 1;
      return { afterMs: handshakeMs, failure: { kind: 'hub-unavailable' } };
    }
    const afterMs = handshakeMs + this.#shapedMs;
    return answer === 'refusing' ? { afterMs, failure: { kind: 'hub-refused' } } : { afterMs };
  }
}

/** DPS: every device is enrolled. */
export class SimulatedDps implements FleetService {
  readonly perSecond = documentedDpsLimits.registrationsPerMinute / 60;
  readonly offered = new MinuteRate();
  readonly #events: EventQueue;
  readonly #registrations: RateLimit;
  #throttled = 0;

  constructor(events: EventQueue) {
    this.#events = events;
    this.#registrations = new RateLimit({
      calls: documentedDpsLimits.registrationsPerMinute,
      windowMs: 60_000,
      what: 'registrations',
      now: () => events.nowMs,
      kept: new Map(),
    });
  }

  get throttled(): number {
    return this.#throttled;
  }

  try(): Outcome {
    this.offered.count(this.#events.nowMs);
    try {
      this.#registrations.count('registrations');
    } catch (error) {
      if (!(error instanceof ThrottledError)) throw error;
      this.#throttled += 1;
      const retryAfterMs = error.retryAfterSeconds * 1_000;
      return { afterMs: handshakeMs, failure: { kind: 'dps-throttled', retryAfterMs } };
    }
    return { afterMs: handshakeMs + registeringMs };
  }
}
