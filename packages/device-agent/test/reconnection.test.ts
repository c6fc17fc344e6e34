import { describe, expect, it } from '@jest/globals';
import {
  exponentialBackoff,
  Reconnection,
  spreadWindowMs,
  type Decision,
  type FailureKind,
  type NextTry,
  type ReconnectionOptions,
} from '../src/index.ts';

const minuteMs = 60_000;

interface Device {
  nowMs: number;
  readonly reconnection: Reconnection;
  fail(kind: FailureKind, rest?: { retryAfterMs?: number; hasHub?: boolean }): Decision;
  /** Fails, and waits for the next try. */
  next(kind: FailureKind, rest?: { retryAfterMs?: number; hasHub?: boolean }): NextTry;
}

const device = (options: Partial<ReconnectionOptions> = {}): Device => {
  const { fleet = { size: 1 }, random = () => 0.5 } = options;
  return {
    nowMs: 0,
    reconnection: new Reconnection({
      policy: exponentialBackoff({ fleet, random }),
      fleet,
      onRefusal: 'retry-slowly',
      canProvision: true,
      random,
      ...options,
    }),
    fail(kind, rest) {
      return this.reconnection.failed({ kind, hasHub: true, nowMs: this.nowMs, ...rest });
    },
    next(kind, rest) {
      const decision = this.fail(kind, rest);
      if (decision.to === 'nowhere') throw new Error(decision.why);
      this.nowMs += decision.afterMs;
      return decision;
    },
  };
};

describe('a device that is cut off', () => {
  it('asks DPS after ten failures in a row, and then has ten more', () => {
    const cut = device();
    const places = Array.from({ length: 21 }, () => cut.next('hub-unreachable').to);
    expect(places.flatMap((to, index) => (to === 'dps' ? [index + 1] : []))).toEqual([10, 20]);
  });

  it('asks DPS after 15 to 30 minutes, however few its tries were', () => {
    for (const random of [0, 0.5, 0.999]) {
      const slow = device({ policy: { nextDelayMs: () => 4 * minuteMs }, random: () => random });
      while (slow.next('hub-unreachable').to === 'hub') expect(slow.nowMs).toBeLessThan(30 * minuteMs);
      expect(slow.nowMs).toBe((15 + random * 15) * minuteMs);
    }
  });

  it('goes back to its hub at once where DPS has no better answer', () => {
    const cut = device();
    for (let attempt = 1; attempt < 10; attempt += 1) cut.next('hub-unreachable');
    expect(cut.next('hub-unreachable').to).toBe('dps');
    expect(cut.next('dps-throttled', { retryAfterMs: 60 * minuteMs })).toMatchObject({ to: 'hub', lane: 'transient' });
  });

  it('stays with a hub that asks for less, as long as it asks', () => {
    const throttled = device();
    for (let attempt = 1; attempt <= 30; attempt += 1) {
      expect(throttled.next('hub-throttled', { retryAfterMs: 7_000 }).to).toBe('hub');
    }
  });

  it('waits what was asked for and its own time beside it, whatever the policy', () => {
    const zero = device({ policy: { nextDelayMs: () => 5 } });
    expect(zero.fail('hub-throttled', { retryAfterMs: 30_000 })).toMatchObject({ to: 'hub', afterMs: 30_005 });
    expect(zero.fail('dps-throttled', { retryAfterMs: 60_000, hasHub: false })).toMatchObject({
      to: 'dps',
      afterMs: 60_005,
    });
  });

  it('waits 5 s at least where the hub can’t serve', () => {
    expect(device({ random: () => 0 }).fail('hub-unavailable')).toMatchObject({ to: 'hub', afterMs: 5_000 });
  });

  it('begins anew after a connection that lasted a minute, and not before', () => {
    const flapping = device();
    const lost = (afterMs: number): unknown => {
      flapping.reconnection.connected(flapping.nowMs);
      flapping.nowMs += afterMs;
      return flapping.fail('hub-unreachable');
    };
    expect([1, 2, 3].map(() => lost(59_999))).toMatchObject([{ attempt: 1 }, { attempt: 2 }, { attempt: 3 }]);
    expect(lost(60_000)).toMatchObject({ attempt: 1, to: 'hub' });
  });

  it('ends where the policy ends, and only there', () => {
    const limited = device({ policy: exponentialBackoff({ maximumAttempts: 2 }) });
    expect([1, 2, 3].map(() => limited.fail('hub-unreachable').to)).toEqual(['hub', 'hub', 'nowhere']);
    expect(limited.fail('hub-unreachable')).toMatchObject({
      state: { reason: 'RetryExpired', recommendedAction: 'OpenConnection' },
    });
  });
});

describe('a device that is refused', () => {
  it('goes to DPS within a second or six, then slower and slower, up to an hour, for ever', () => {
    const refused = device({ random: () => 0.999 });
    expect(refused.next('hub-refused')).toMatchObject({ to: 'dps', lane: 'transient' });
    expect(refused.nowMs).toBeLessThan(6_000);
    const waits = Array.from({ length: 40 }, (_, index) => {
      const decision = refused.next(index % 2 === 0 ? 'dps-refused' : 'hub-refused');
      expect(decision).toMatchObject({
        to: index % 2 === 0 ? 'hub' : 'dps',
        lane: 'refused',
        state: { status: 'Disconnected', reason: 'BadCredential', recommendedAction: 'WaitForRetryPolicy' },
      });
      return Math.round(decision.afterMs / minuteMs);
    });
    expect(waits.slice(0, 14)).toEqual([2, 2, 3, 3, 5, 5, 9, 9, 17, 17, 33, 33, 61, 61]);
    expect(waits.at(-1)).toBe(61);
  });

  it('starts from the beginning when it was let in', () => {
    const refused = device();
    for (let count = 0; count < 8; count += 1) refused.next('hub-refused');
    refused.reconnection.connected(refused.nowMs);
    refused.nowMs += minuteMs;
    expect(refused.next('hub-refused')).toMatchObject({ to: 'dps', lane: 'transient', attempt: 1 });
  });

  it('trusts a hub again that was only unreachable after it had refused', () => {
    const moved = device();
    moved.next('hub-refused');
    moved.next('hub-unreachable');
    expect(moved.next('dps-unreachable').to).toBe('hub');
  });

  const ended = (reason: string): object => ({
    to: 'nowhere',
    state: { status: 'Disconnected', reason, recommendedAction: 'Quit' },
  });

  it.each<[string, FailureKind, { hasHub: boolean }, string]>([
    ['by DPS', 'dps-refused', { hasHub: false }, 'BadCredential'],
    ['by a disabled enrollment', 'dps-disabled', { hasHub: false }, 'DeviceDisabled'],
    ['by its certificate’s end', 'certificate-expired', { hasHub: true }, 'BadCredential'],
  ])('ends %s where that is wanted', (_, kind, rest, reason) => {
    expect(device({ onRefusal: 'end' }).fail(kind, rest)).toMatchObject(ended(reason));
  });

  it('ends by a certificate that isn’t valid yet, where that is wanted', () => {
    expect(device({ onRefusal: 'end' }).fail('certificate-not-yet-valid')).toMatchObject({ to: 'nowhere' });
  });

  it('ends with a hub’s third refusal in a row, or the first where there is no DPS, where that is wanted', () => {
    const refused = device({ onRefusal: 'end' });
    expect([1, 2, 3].map(() => refused.fail('hub-refused').to)).toEqual(['dps', 'dps', 'nowhere']);
    const alone = device({ onRefusal: 'end', canProvision: false });
    expect(alone.fail('hub-refused')).toMatchObject(ended('BadCredential'));
  });
});

describe('a device of a fleet', () => {
  it('may wait before its first connection', () => {
    expect(device().reconnection.startDelayMs()).toBe(0);
    const fleet = { size: 1_000, startWindowMs: 10_000 };
    expect(device({ fleet, random: () => 0.25 }).reconnection.startDelayMs()).toBe(2_500);
  });

  it.each<[string, Partial<{ size: number; hubConnectionsPerSecond: number }>]>([
    ['slow hubs', {}],
    ['fast hubs, where ten failures come soon', { hubConnectionsPerSecond: 6_000 }],
  ])('asks DPS no sooner than its share of the window: %s', (_, rest) => {
    const fleet = { size: 100_000, ...rest };
    const windowMs = spreadWindowMs(fleet, 'dps');
    // 20 devices that are drawn evenly from the fleet.
    const askedMs = Array.from({ length: 20 }, (_, index) => {
      const one = device({ fleet, random: () => (index + 0.5) / 20 });
      while (one.next('hub-unreachable').to === 'hub');
      return one.nowMs;
    });
    const gapsMs = askedMs.slice(1).map((atMs, index) => atMs - askedMs[index]!);
    expect(Math.min(...gapsMs)).toBeGreaterThan((windowMs / 20) * 0.9);
  });
});
