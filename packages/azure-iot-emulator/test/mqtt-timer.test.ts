import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { startSystemTimer } from '../src/mqtt/timer.ts';

const dayMs = 86_400_000;

describe('system timers', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  it.each([1, dayMs, 24 * dayMs, 25 * dayMs, 400 * dayMs])(
    'ok: %d ms, beyond what setTimeout can count too',
    (delayMs) => {
      const call = jest.fn();
      startSystemTimer(delayMs, call);
      jest.advanceTimersByTime(delayMs - 1);
      expect(call).not.toHaveBeenCalled();
      jest.advanceTimersByTime(1);
      expect(call).toHaveBeenCalledTimes(1);
    },
  );

  it('ok: cancelled, also after the first part of a long wait', () => {
    const call = jest.fn();
    const cancel = startSystemTimer(60 * dayMs, call);
    jest.advanceTimersByTime(50 * dayMs);
    cancel();
    jest.advanceTimersByTime(50 * dayMs);
    expect(call).not.toHaveBeenCalled();
  });
});
