import { describe, expect, it } from '@jest/globals';
import { DeviceAgentError, type DeviceAgentErrorCode, type FailureKind } from '../src/index.ts';
import { failureKindOf, nextStep, type Circumstances } from '../src/agent/next-step.ts';

/** Each row of docs/reconnecting.md: with a kept hub, and DPS to ask. */
const rows: readonly [FailureKind, string, string, string][] = [
  ['hub-unreachable', 'hub', 'transient', 'DisconnectedRetrying'],
  ['hub-unavailable', 'hub', 'unavailable', 'DisconnectedRetrying'],
  ['hub-throttled', 'hub', 'throttled', 'DisconnectedRetrying'],
  ['hub-other', 'dps', 'transient', 'DisconnectedRetrying'],
  ['server-untrusted', 'hub', 'transient', 'DisconnectedRetrying'],
  ['dps-unreachable', 'hub', 'transient', 'DisconnectedRetrying'],
  ['dps-unavailable', 'hub', 'transient', 'DisconnectedRetrying'],
  ['dps-throttled', 'hub', 'transient', 'DisconnectedRetrying'],
  ['dps-refused', 'hub', 'transient', 'DisconnectedRetrying'],
  ['dps-disabled', 'hub', 'transient', 'DisconnectedRetrying'],
  ['certificate-expired', 'hub', 'refused', 'Disconnected'],
  ['certificate-not-yet-valid', 'hub', 'transient', 'DisconnectedRetrying'],
  ['device', 'hub', 'unavailable', 'DisconnectedRetrying'],
];

const after = (kind: FailureKind, circumstances: Partial<Circumstances> = {}): unknown => {
  const { to, lane, state } = nextStep(kind, { canProvision: true, hasHub: true, hubRefusals: 0, ...circumstances });
  return [to, lane, state.status];
};

describe('nextStep', () => {
  it.each(rows)('%s, with a hub kept: to %s', (kind, ...expected) => {
    expect(after(kind)).toEqual(expected);
  });

  it.each<[FailureKind, string, string]>([
    ['dps-unreachable', 'transient', 'DisconnectedRetrying'],
    ['dps-unavailable', 'unavailable', 'DisconnectedRetrying'],
    ['dps-throttled', 'throttled', 'DisconnectedRetrying'],
    ['dps-refused', 'refused', 'Disconnected'],
    ['dps-disabled', 'refused', 'Disconnected'],
    ['server-untrusted', 'transient', 'DisconnectedRetrying'],
    ['certificate-expired', 'refused', 'Disconnected'],
  ])('%s, without one: stays with DPS', (kind, ...expected) => {
    expect(after(kind, { hasHub: false })).toEqual(['dps', ...expected]);
  });

  it('sends a device that its hub refuses to DPS, first soon, then slowly', () => {
    expect(after('hub-refused', { hubRefusals: 1 })).toEqual(['dps', 'transient', 'DisconnectedRetrying']);
    expect(after('hub-refused', { hubRefusals: 2 })).toEqual(['dps', 'refused', 'Disconnected']);
  });

  it('asks in turn where hub and DPS refuse, and stays with DPS while that is away', () => {
    expect(after('dps-refused', { hubRefusals: 1 })).toEqual(['hub', 'refused', 'Disconnected']);
    expect(after('dps-disabled', { hubRefusals: 1 })).toEqual(['hub', 'refused', 'Disconnected']);
    expect(after('dps-unreachable', { hubRefusals: 1 })).toEqual(['dps', 'transient', 'DisconnectedRetrying']);
    expect(after('dps-throttled', { hubRefusals: 1 })).toEqual(['dps', 'throttled', 'DisconnectedRetrying']);
  });

  it.each<FailureKind>(['hub-unreachable', 'hub-refused', 'hub-other', 'certificate-expired'])(
    'never names DPS where there is none: %s',
    (kind) => {
      expect(after(kind, { canProvision: false, hubRefusals: 1 })).toEqual([
        'hub',
        expect.anything(),
        expect.anything(),
      ]);
    },
  );

  it('shows why it is not let in, and that it goes on', () => {
    const stateOf = (kind: FailureKind): unknown =>
      nextStep(kind, { canProvision: true, hasHub: false, hubRefusals: 0 }).state;
    expect(stateOf('dps-refused')).toMatchObject({ reason: 'BadCredential', recommendedAction: 'WaitForRetryPolicy' });
    expect(stateOf('dps-disabled')).toMatchObject({
      reason: 'DeviceDisabled',
      recommendedAction: 'WaitForRetryPolicy',
    });
  });
});

describe('failureKindOf', () => {
  it.each<[DeviceAgentErrorCode, number | undefined, FailureKind]>([
    ['ERR_AGENT_HUB_UNREACHABLE', undefined, 'hub-unreachable'],
    ['ERR_AGENT_HUB_BUSY', 3, 'hub-unavailable'],
    ['ERR_AGENT_HUB_BUSY', 503, 'hub-unavailable'],
    ['ERR_AGENT_HUB_BUSY', 429, 'hub-throttled'],
    ['ERR_AGENT_HUB_REFUSED', 1, 'hub-other'],
    ['ERR_AGENT_HUB_REFUSED', 2, 'hub-other'],
    ['ERR_AGENT_HUB_REFUSED', 4, 'hub-refused'],
    ['ERR_AGENT_HUB_REFUSED', 5, 'hub-refused'],
    ['ERR_AGENT_DPS_UNREACHABLE', undefined, 'dps-unreachable'],
    ['ERR_AGENT_DPS_BUSY', 429001, 'dps-throttled'],
    ['ERR_AGENT_DPS_BUSY', 429, 'dps-throttled'],
    ['ERR_AGENT_DPS_BUSY', 503, 'dps-unavailable'],
    ['ERR_AGENT_DPS_FAILED', 500000, 'dps-unavailable'],
    ['ERR_AGENT_DPS_REFUSED', 401002, 'dps-refused'],
    ['ERR_AGENT_DPS_DISABLED', undefined, 'dps-disabled'],
    ['ERR_AGENT_SERVER_UNTRUSTED', undefined, 'server-untrusted'],
    ['ERR_AGENT_CERTIFICATE_EXPIRED', undefined, 'certificate-expired'],
    ['ERR_AGENT_CERTIFICATE_NOT_YET_VALID', undefined, 'certificate-not-yet-valid'],
    ['ERR_AGENT_STATE', undefined, 'device'],
  ])('%s %s is %s', (code, azureCode, kind) => {
    const error = new DeviceAgentError(code, 'x', { advice: 'none', azureCode });
    expect(failureKindOf(error)).toBe(kind);
  });
});
