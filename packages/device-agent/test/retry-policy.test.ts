import { describe, expect, it } from '@jest/globals';
import { exponentialBackoff, spreadWindowMs, type FailedTry, type RetryLane } from '../src/index.ts';

const failed = (lane: RetryLane, attemptInLane: number, rest: Partial<FailedTry> = {}): FailedTry => ({
  attempt: attemptInLane,
  lane,
  attemptInLane,
  to: 'hub',
  ...rest,
});

/** Shortest and longest wait of a lane, in seconds. */
const range = (lane: RetryLane, attemptInLane: number, rest: Partial<FailedTry> = {}): (number | undefined)[] =>
  [0, 1].map((random) => {
    const delayMs = exponentialBackoff({ random: () => random }).nextDelayMs(failed(lane, attemptInLane, rest));
    return delayMs && delayMs / 1_000;
  });

describe('exponentialBackoff', () => {
  it('doubles the ceiling up to the maximum and takes a random part of it', () => {
    const policy = exponentialBackoff({ firstMs: 1_000, maximumMs: 5_000, random: () => 0.5 });
    expect([1, 2, 3, 4, 5].map((attempt) => policy.nextDelayMs(failed('transient', attempt)))).toEqual([
      500, 1_000, 2_000, 2_500, 2_500,
    ]);
  });

  it.each<[string, RetryLane, FailedTry['to'], number[], number[]]>([
    ['transient, hub', 'transient', 'hub', [0, 1], [0, 100]],
    ['transient, DPS', 'transient', 'dps', [1, 6], [1, 101]],
    ['unavailable: 5 s at least', 'unavailable', 'hub', [5, 15], [5, 905]],
    ['throttled: 10 s at least', 'throttled', 'dps', [10, 20], [10, 910]],
    ['refused: a minute to an hour', 'refused', 'dps', [60, 120], [60, 3_660]],
  ])('waits by lane, the first time and at last: %s', (_, lane, to, first, last) => {
    // A device alone has a window of 12 ms at the hub and 71 ms at DPS.
    const near = (values: (number | undefined)[], expected: number[]): void =>
      values.forEach((value, index) => expect(value).toBeCloseTo(expected[index]!, 1));
    near(range(lane, 1, { to }), first);
    near(range(lane, 40, { to }), last);
  });

  it('spreads over the whole range, unlike Microsoft’s Node SDK', () => {
    const draws = Array.from({ length: 101 }, (_, index) => index / 101);
    const waits = draws.map((random) => exponentialBackoff({ random: () => random }).nextDelayMs(failed('refused', 7)));
    const gaps = waits.slice(1).map((wait, index) => wait! - waits[index]!);
    expect(Math.max(...gaps) - Math.min(...gaps)).toBeLessThan(1);
    expect([waits[0], Math.round(waits[100]! / 1_000)]).toEqual([60_000, 3_624]);
  });

  it('gives up after the maximum of tries, whatever their lanes, and never without one', () => {
    const limited = exponentialBackoff({ maximumAttempts: 2 });
    expect(limited.nextDelayMs(failed('unavailable', 1, { attempt: 2 }))).toBeDefined();
    expect(limited.nextDelayMs(failed('unavailable', 1, { attempt: 3 }))).toBeUndefined();
    expect(exponentialBackoff().nextDelayMs(failed('transient', 1_000_000))).toBeDefined();
  });
});

describe('a fleet', () => {
  const fleet = { size: 100_000 };

  it('needs its size over the quota, of which it uses 80 %', () => {
    expect(Math.round(spreadWindowMs(fleet, 'hub') / 1_000)).toBe(1_250);
    expect(Math.round(spreadWindowMs(fleet, 'dps') / 60_000)).toBe(125);
    expect(Math.round(spreadWindowMs({ size: 100_000, hubConnectionsPerSecond: 1_200 }, 'hub') / 1_000)).toBe(104);
  });

  it('spreads the first wait over its window, and keeps each device’s moment from then on', () => {
    const windowMs = spreadWindowMs(fleet, 'hub');
    const at = (random: number, attempt: number): number | undefined =>
      exponentialBackoff({ fleet, random: () => random }).nextDelayMs(failed('transient', attempt));
    expect([at(0, 1), at(0.5, 1), at(1, 1)]).toEqual([0, windowMs / 2, windowMs]);
    expect([at(0, 2), at(1, 2), at(1, 40)]).toEqual([windowMs, windowMs, windowMs]);
  });

  it('lets those who met a full door come back soon, once', () => {
    const policy = exponentialBackoff({ fleet, random: () => 0.5 });
    expect(policy.nextDelayMs(failed('unavailable', 1))).toBe(10_000);
    expect(policy.nextDelayMs(failed('unavailable', 2))).toBe(spreadWindowMs(fleet, 'hub'));
  });
});
