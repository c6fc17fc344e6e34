import { describe, expect, it } from '@jest/globals';
import { DeviceAgentError, exponentialBackoff } from '../src/index.ts';
import type { DeviceAgentErrorCode } from '../src/index.ts';
import { nextStep } from '../src/next-step.ts';

describe('exponentialBackoff', () => {
  it('doubles the ceiling up to the maximum and takes a random part of it', () => {
    const policy = exponentialBackoff({ firstMs: 1_000, maximumMs: 5_000, random: () => 0.5 });
    expect([1, 2, 3, 4, 5].map((attempt) => policy.nextDelayMs(attempt, 'transient'))).toEqual([
      500, 1_000, 2_000, 2_500, 2_500,
    ]);
  });

  it('spreads over the whole ceiling', () => {
    const at = (random: number): number | undefined =>
      exponentialBackoff({ random: () => random }).nextDelayMs(20, 'transient');
    expect([at(0), at(0.999)]).toEqual([0, 99_900]);
  });

  it('waits at least the floor where the service asked for less', () => {
    expect(exponentialBackoff({ random: () => 0 }).nextDelayMs(1, 'throttled')).toBe(10_000);
  });

  it('gives up after the maximum of tries, and never without one', () => {
    expect(exponentialBackoff({ maximumAttempts: 2 }).nextDelayMs(3, 'transient')).toBeUndefined();
    expect(exponentialBackoff().nextDelayMs(1_000_000, 'transient')).toBeDefined();
  });
});

describe('nextStep', () => {
  const step = (
    code: DeviceAgentErrorCode,
    rest: { attempt?: number; hubRefusals?: number; canProvision?: boolean } = {},
  ): unknown =>
    nextStep({ error: new DeviceAgentError(code, 'x'), attempt: 1, hubRefusals: 0, canProvision: true, ...rest });
  const to = (where: unknown): unknown => ({ to: where, after: 'delay' });

  it.each<[string, unknown, unknown]>([
    ['ok: a hub that is down is tried again', step('ERR_AGENT_HUB_UNREACHABLE', { attempt: 9 }), to('hub')],
    ['ok: the tenth failure in a row asks DPS', step('ERR_AGENT_HUB_UNREACHABLE', { attempt: 10 }), to('dps')],
    [
      'ok: without a DPS it stays with the hub',
      step('ERR_AGENT_HUB_UNREACHABLE', { attempt: 10, canProvision: false }),
      to('hub'),
    ],
    [
      'ok: a refusing hub sends it to DPS at once',
      step('ERR_AGENT_HUB_REFUSED', { hubRefusals: 1 }),
      { to: 'dps', after: 'now' },
    ],
    ['ok: a second refusal waits first', step('ERR_AGENT_HUB_REFUSED', { hubRefusals: 2 }), to('dps')],
    ['ok: DPS that fails is tried again', step('ERR_AGENT_DPS_FAILED'), to('hub')],
    ['ok: DPS that is down is tried again', step('ERR_AGENT_DPS_UNREACHABLE'), to('hub')],
  ])('%s', (_, actual, expected) => {
    expect(actual).toEqual(expected);
  });

  it.each<[string, unknown, string]>([
    ['fail: a third refusal', step('ERR_AGENT_HUB_REFUSED', { hubRefusals: 3 }), 'BadCredential'],
    [
      'fail: a refusal without a DPS to ask',
      step('ERR_AGENT_HUB_REFUSED', { hubRefusals: 1, canProvision: false }),
      'BadCredential',
    ],
    ['fail: DPS refuses', step('ERR_AGENT_DPS_REFUSED'), 'BadCredential'],
    ['fail: enrollment disabled', step('ERR_AGENT_DPS_DISABLED'), 'DeviceDisabled'],
    ['fail: certificate expired', step('ERR_AGENT_CERTIFICATE_EXPIRED'), 'BadCredential'],
  ])('%s ends it', (_, actual, reason) => {
    expect(actual).toMatchObject({ to: 'end', state: { status: 'Disconnected', reason, recommendedAction: 'Quit' } });
  });
});
