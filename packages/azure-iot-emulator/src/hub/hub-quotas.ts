import type { Shelf } from '../data/shelf.ts';
import { looseShelf } from '../data/store.ts';
import type { StartTimer } from '../mqtt/timer.ts';
import type { HubAssumptions } from './hub-assumptions.ts';
import { HubError } from './hub-error.ts';
import { dailyMessages, type HubTier, messagesIn, type Meter, ratePerSecond } from './hub-tier.ts';

/** Whether a hub's quotas and throttles hold; `off` lets everything pass. */
export type QuotaMode = 'enforced' | 'off';

/** Options of {@link HubQuotas}. */
export interface HubQuotasOptions {
  readonly mode: QuotaMode;
  readonly now: () => number;
  readonly startTimer: StartTimer;
  readonly assumptions: HubAssumptions;
  /** Where the day's count is kept; default: in memory alone. */
  readonly shelf?: Shelf;
}

const dayMs = 86_400_000;

/**
 * A hub's limits ("IoT Hub quotas and throttling"): a burst passes, then requests wait their turn, and when too many do
 * they are refused. The daily quota starts anew at midnight UTC.
 */
export class HubQuotas {
  readonly #options: HubQuotasOptions;
  /** For each meter, when all that has passed would have passed at the limit's rate. */
  readonly #paidUntilMs = new Map<Meter, number>();
  #tier: HubTier = { sku: 'S1', units: 1 };
  /** Days since 1970, and what counted on that one. */
  readonly #count: { current: { readonly day: number; readonly messages: number } };

  constructor(options: HubQuotasOptions) {
    this.#options = options;
    this.#count = (options.shelf ?? looseShelf()).value('messagesOfDay', () => ({ day: 0, messages: 0 }));
  }

  get tier(): HubTier {
    return this.#tier;
  }

  /** What has passed counts on. */
  setTier(tier: HubTier): void {
    this.#tier = tier;
  }

  /** Messages that counted since midnight UTC. */
  get messagesToday(): number {
    const { day, messages } = this.#count.current;
    return day === this.#today() ? messages : 0;
  }

  /** Takes part of the day's messages away, or all of them, as if they had been sent. */
  useMessages(count = dailyMessages(this.#tier)): void {
    this.#count.current = { day: this.#today(), messages: this.messagesToday + count };
  }

  /**
   * Lets a request pass: undefined at once, a promise after its wait.
   *
   * @throws {HubError} ThrottlingException: too many wait already
   */
  pass(meter: Meter, amount = 1): Promise<void> | undefined {
    if (this.#options.mode === 'off') return undefined;
    const { now, startTimer, assumptions } = this.#options;
    const nowMs = now();
    const paidUntilMs = Math.max(nowMs, this.#paidUntilMs.get(meter) ?? 0);
    const waitMs = Math.max(0, paidUntilMs - nowMs - assumptions.throttleBurstSeconds * 1000);
    const overMs = waitMs - assumptions.throttleQueueSeconds * 1000;
    const rate = ratePerSecond(this.#tier, meter);
    if (overMs > 0) {
      const { sku, units } = this.#tier;
      throw new HubError('ThrottlingException', {
        text: `Throttled, ${meter}: ${units} x ${sku} takes ${Number(rate.toFixed(2))} a second`,
        retryAfterSeconds: Math.ceil(overMs / 1000),
      });
    }
    this.#paidUntilMs.set(meter, paidUntilMs + (amount * 1000) / rate);
    if (waitMs === 0) return undefined;
    return new Promise((resolve) => {
      startTimer(waitMs, resolve);
    });
  }

  /** Counts a message against the day's quota. @throws {HubError} IotHubQuotaExceeded */
  countMessage(bytes: number): void {
    if (this.#options.mode === 'off') return;
    const most = dailyMessages(this.#tier);
    if (this.messagesToday >= most) {
      const text = `the ${most} messages that ${this.#tier.units} x ${this.#tier.sku} has a day are used up until midnight UTC`;
      throw new HubError('IotHubQuotaExceeded', { text });
    }
    this.useMessages(messagesIn(this.#tier, bytes));
  }

  #today(): number {
    return Math.floor(this.#options.now() / dayMs);
  }
}
