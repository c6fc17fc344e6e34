import { execFileSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import { DeviceAgentError, type AgentEvent, type CertificateFacts } from '../src/index.ts';
import { connected, retrying } from '../src/agent/connection-status.ts';
import { initialHealth, nextHealth } from '../src/service/health.ts';
import { isAlive, nextWordDue } from '../src/service/liveness.ts';
import { logLine } from '../src/service/log-line.ts';
import { measurements } from '../src/service/measurements.ts';
import { createMetrics } from '../src/service/metrics.ts';

const error = new DeviceAgentError('ERR_AGENT_HUB_REFUSED', 'refused', { advice: 'look there', azureCode: 5 });
const status: AgentEvent = { type: 'status', state: retrying, error };
const certificate = (notAfter: string): CertificateFacts => ({
  whose: 'device',
  subject: 'CN=d',
  issuer: 'CN=line-1',
  notBefore: '2026-01-01T00:00:00.000Z',
  notAfter,
  thumbprintSha256: 'AB',
});
const first = certificate('2027-01-01T00:00:00.000Z');
const second = certificate('2028-01-01T00:00:00.000Z');
const connecting: AgentEvent = {
  type: 'connecting',
  hostName: 'hub',
  deviceId: 'd',
  isKept: true,
  certificate: first,
};

describe('an event in the log', () => {
  it('says a transition with its cause: what happened, and where that is a failure its code', () => {
    const step = { type: 'transition', from: 'connecting', to: 'waiting', cause: error.message } as const;
    expect([logLine({ ...step, cause: 'somebody asked' }), logLine({ ...step, error })]).toMatchObject([
      { level: 'info', message: 'connecting to waiting', fields: { cause: { message: 'somebody asked' } } },
      {
        level: 'info',
        message: 'connecting to waiting',
        fields: { cause: { code: error.code, advice: 'look there' } },
      },
    ]);
  });

  it('says when there is another try, and why there and then', () => {
    const retry = { type: 'retry', attempt: 2, delayMs: 1_500.4, why: 'it may heal by itself', error } as const;
    expect(logLine(retry)).toMatchObject({
      level: 'warn',
      fields: { attempt: 2, delayMs: 1_500, why: 'it may heal by itself', cause: { code: error.code } },
    });
  });

  it('says a status with its cause', () => {
    expect(logLine(status)).toMatchObject({
      level: 'warn',
      message: 'DisconnectedRetrying: CommunicationError',
      fields: {
        recommendedAction: 'WaitForRetryPolicy',
        cause: { code: error.code, advice: 'look there', azureCode: 5 },
      },
    });
  });

  it('names reported properties, and no value of theirs', () => {
    const line = logLine({ type: 'reported', properties: { secret: 'value' } });
    expect(line.fields).toEqual({ names: ['secret'] });
  });
});

describe('the loop', () => {
  it.each([
    ['rests while connected', { type: 'status', state: connected }, 1e9, true],
    ['is alive while a try lasts', connecting, 60_000, true],
    ['is dead when a try has no end', connecting, 700_000, false],
    ['waits as long as it said', { type: 'retry', attempt: 1, delayMs: 5_000_000, error }, 5_000_000, true],
    ['is dead when it has overslept', { type: 'retry', attempt: 1, delayMs: 5_000, error }, 70_000, false],
  ] as [string, AgentEvent, number, boolean][])('%s', (_, event, nowMs, expected) => {
    expect(isAlive(nextWordDue(undefined, event, 0), nowMs)).toBe(expected);
  });
});

describe('metrics', () => {
  it('follow the rules that Prometheus has for names, types and help', async () => {
    const metrics = createMetrics({
      labels: { device: 'd' },
      version: '1.2.3',
      certificateNotAfter: new Date(5_000),
      outbox: () => ({ messages: 3, bytes: 40, oldestAgeSeconds: 5 }),
    });
    const events: AgentEvent[] = [
      status,
      { type: 'status', state: connected },
      { type: 'telemetry-dropped', reason: 'full', count: 4, messageIds: [] },
      { type: 'method-called', method: 'reboot', status: 200, durationMs: 1_500 },
      { type: 'method-called', method: 'made-up', status: 404, durationMs: 1 },
      { type: 'transition', from: 'connecting', to: 'connected', cause: 'the hub took it' },
      { type: 'certificate-renewed', certificate: second, replaces: first },
      { type: 'credential-refused', certificate: second, next: first },
      { type: 'renewal-failed', step: 'request', error, retryAt: new Date(0) },
    ];
    for (const event of events) metrics.record(measurements(event));
    const { text } = await metrics.expose();
    for (const sample of [
      'contoso_device_connects_total{device="d"} 1',
      'contoso_device_errors_total{code="ERR_AGENT_HUB_REFUSED",device="d"} 2',
      'contoso_device_telemetry_dropped_total{reason="full",device="d"} 4',
      'contoso_device_method_duration_seconds_sum{device="d",method="reboot",status="200"} 1.5',
      'contoso_device_connection_status{state="Connected",device="d"} 1',
      'contoso_device_phase{state="connected",device="d"} 1',
      'contoso_device_phase{state="stopped",device="d"} 0',
      'contoso_device_transitions_total{from="connecting",to="connected",device="d"} 1',
      'contoso_device_certificate_renewals_total{device="d"} 1',
      'contoso_device_renewal_failures_total{step="request",device="d"} 1',
      'contoso_device_credentials_refused_total{device="d"} 1',
      `contoso_device_certificate_expiry_timestamp_seconds{device="d"} ${Date.parse(first.notAfter) / 1_000}`,
      'contoso_device_outbox_bytes{device="d"} 40',
      'contoso_device_outbox_oldest_message_age_seconds{device="d"} 5',
    ]) {
      expect(text).toContain(sample);
    }
    expect(text).not.toContain('made-up');
    const families = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)];
    expect(families.length).toBeGreaterThan(12);
    for (const [, name = '', type] of families) {
      expect(name).toMatch(/^(contoso_device|nodejs|process)_[a-z0-9_]+$/);
      expect({ name, isTotal: name.endsWith('_total') }).toEqual({ name, isTotal: type === 'counter' });
      expect(text).toMatch(new RegExp(`^# HELP ${name} \\S`, 'm'));
    }
  });
});

describe('the certificate in use', () => {
  it.each([
    [connecting, first],
    [{ type: 'certificate-renewed', certificate: second, replaces: first }, second],
    [{ type: 'credential-refused', certificate: first, next: second }, second],
  ] as [AgentEvent, CertificateFacts][])('after %j is in health and metrics', (event, expected) => {
    const now = new Date(0);
    expect(nextHealth(initialHealth(certificate('2026-06-01T00:00:00.000Z'), now), event, now).certificate).toBe(
      expected,
    );
    expect(measurements(event)).toContainEqual({
      set: 'certificate_expiry_timestamp_seconds',
      value: Date.parse(expected.notAfter) / 1_000,
    });
  });
});

describe('the library', () => {
  it('loads none of what the command needs', () => {
    // All three are CommonJS, so that what was loaded is in the cache.
    const script = `
      import { createRequire } from 'node:module';
      await import('@contoso/device-agent');
      console.log(JSON.stringify(Object.keys(createRequire(import.meta.url).cache)));
    `;
    const { NODE_OPTIONS: _, ...env } = process.env;
    const loaded = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
      cwd: import.meta.dirname,
      env,
      encoding: 'utf8',
    });
    expect(JSON.parse(loaded)).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/\/(pino|prom-client|commander)\//)]),
    );
  });
});
