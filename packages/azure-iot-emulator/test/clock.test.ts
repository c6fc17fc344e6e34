import { describe, expect, it } from '@jest/globals';
import { VirtualClock } from '../src/clock/virtual-clock.ts';
import type { StartTimer } from '../src/mqtt/timer.ts';

/** A system whose time goes by when a test says so. */
function system(): { now: () => number; startTimer: StartTimer; pass: (ms: number) => void } {
  let nowMs = 1_000_000;
  const timers = new Set<{ dueMs: number; call: () => void }>();
  return {
    now: () => nowMs,
    startTimer: (delayMs, call) => {
      const timer = { dueMs: nowMs + delayMs, call };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    pass: (ms) => {
      nowMs += ms;
      for (const timer of [...timers]) {
        if (timer.dueMs > nowMs || !timers.delete(timer)) continue;
        timer.call();
      }
    },
  };
}

describe('VirtualClock', () => {
  it('ok: goes with the system until it is moved, and then beside it', () => {
    const { now, startTimer, pass } = system();
    const clock = new VirtualClock({ now, startTimer });
    pass(10);
    expect(clock.nowMs).toBe(1_000_010);
    clock.advance(500);
    pass(10);
    expect(clock.nowMs).toBe(1_000_520);
    clock.set(new Date(5_000_000));
    expect(clock.nowMs).toBe(5_000_000);
    clock.reset();
    expect(clock.nowMs).toBe(now());
  });

  it('ok: timers fire in the order of their times, each at its time, those included that start on the way', () => {
    const { now, startTimer } = system();
    const clock = new VirtualClock({ now, startTimer });
    const fired: [string, number][] = [];
    const note = (name: string) => fired.push([name, clock.nowMs - 1_000_000]);
    clock.startTimer(300, () => note('c'));
    clock.startTimer(100, () => {
      note('a');
      clock.startTimer(50, () => note('b'));
    });
    clock.startTimer(900, () => note('later'));
    const stop = clock.startTimer(200, () => note('stopped'));
    stop();
    clock.advance(500);
    expect(fired).toEqual([
      ['a', 100],
      ['b', 150],
      ['c', 300],
    ]);
    expect(clock.nowMs).toBe(1_000_500);
  });

  it('ok: timers go by the system’s while nobody moves the clock, and stand while it is frozen', () => {
    const { now, startTimer, pass } = system();
    const clock = new VirtualClock({ now, startTimer });
    const fired: string[] = [];
    clock.startTimer(100, () => fired.push('a'));
    clock.startTimer(1000, () => fired.push('b'));
    pass(100);
    expect(fired).toEqual(['a']);
    clock.freeze();
    pass(5000);
    expect([clock.isFrozen, clock.nowMs, fired]).toEqual([true, 1_000_100, ['a']]);
    clock.advance(400);
    expect([clock.nowMs, fired]).toEqual([1_000_500, ['a']]);
    clock.resume();
    pass(499);
    expect(fired).toEqual(['a']);
    pass(1);
    expect(fired).toEqual(['a', 'b']);
  });

  it('ok: going back fires nothing again, and what was due later stays due at its time', () => {
    const { now, startTimer } = system();
    const clock = new VirtualClock({ now, startTimer });
    const fired: string[] = [];
    clock.startTimer(100, () => fired.push('a'));
    clock.startTimer(1000, () => fired.push('b'));
    clock.advance(500);
    clock.set(1_000_000);
    clock.advance(999);
    expect(fired).toEqual(['a']);
    clock.advance(1);
    expect(fired).toEqual(['a', 'b']);
  });

  it('fail: a negative advance, a time that is none', () => {
    const clock = new VirtualClock();
    expect(() => clock.advance(-1)).toThrow(/expected 0 ms or more, found -1/);
    expect(() => clock.set(Number.NaN)).toThrow(RangeError);
  });
});
