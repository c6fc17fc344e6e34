import { describe, expect, it } from '@jest/globals';
import type { NetworkFailureKind } from '../src/network/connection-error.ts';
import {
  firstTransport,
  nextTransport,
  primaryAgainAfterMs,
  rememberTransport,
  type TransportMemory,
} from '../src/network/transport-choice.ts';

const start = new Date('2026-11-24T00:00:00.000Z');
const later = (ms: number): Date => new Date(start.getTime() + ms);
const overWebSocket: TransportMemory = { worked: 'mqtt-websocket', at: start.toISOString() };

describe('the choice of transport', () => {
  it.each(['mqtt', 'mqtt-websocket'] as const)('ok: %s as configured, whatever happens', (choice) => {
    expect(firstTransport(choice, overWebSocket, start)).toBe(choice);
    expect(nextTransport(choice, choice, 'tcp')).toBe(choice);
  });

  it('ok: begins with port 8883, and with WebSocket for a day after that worked', () => {
    expect(firstTransport('auto', undefined, start)).toBe('mqtt');
    expect(firstTransport('auto', { worked: 'mqtt', at: start.toISOString() }, start)).toBe('mqtt');
    expect(firstTransport('auto', overWebSocket, later(primaryAgainAfterMs - 1))).toBe('mqtt-websocket');
    expect(firstTransport('auto', overWebSocket, later(primaryAgainAfterMs))).toBe('mqtt');
    expect(firstTransport('auto', overWebSocket, later(-1))).toBe('mqtt');
  });

  it.each<[NetworkFailureKind | undefined, boolean]>([
    ['tcp', true],
    ['timeout', true],
    ['tls', true],
    ['proxy', true],
    ['websocket', true],
    ['closed', true],
    ['dns', false],
    ['untrusted-server', false],
    ['captive-portal', false],
    [undefined, false],
  ])('ok: after a failure of kind %s it changes: %s', (failure, changes) => {
    expect(nextTransport('auto', 'mqtt', failure)).toBe(changes ? 'mqtt-websocket' : 'mqtt');
    expect(nextTransport('auto', 'mqtt-websocket', failure)).toBe(changes ? 'mqtt' : 'mqtt-websocket');
  });

  it('ok: remembers what worked, and writes only what is new', () => {
    const first = rememberTransport(undefined, 'mqtt', start);
    expect(first).toEqual({ worked: 'mqtt', at: start.toISOString() });
    expect(rememberTransport(first, 'mqtt', later(10 * primaryAgainAfterMs))).toBe(first);
    expect(rememberTransport(first, 'mqtt-websocket', later(1))).toEqual({
      worked: 'mqtt-websocket',
      at: later(1).toISOString(),
    });
    // Reconnecting over WebSocket doesn't put off the day on which 8883 is tried again.
    expect(rememberTransport(overWebSocket, 'mqtt-websocket', later(primaryAgainAfterMs - 1))).toBe(overWebSocket);
    expect(rememberTransport(overWebSocket, 'mqtt-websocket', later(primaryAgainAfterMs)).at).toBe(
      later(primaryAgainAfterMs).toISOString(),
    );
  });
});
