import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { ConnectionStatus } from '../agent/connection-status.ts';
import { counters, type Measurement } from './measurements.ts';
import type { OutboxSummary } from './state-summary.ts';

/** Numbers for Prometheus, in its base units and by its rules for names. */
export interface ServiceMetrics {
  record(measurements: readonly Measurement[]): void;
  /** Content type and text of the exposition format. */
  expose(): Promise<{ readonly contentType: string; readonly text: string }>;
}

export interface ServiceMetricsOptions {
  /** On every sample. */
  readonly labels: Readonly<Record<string, string>>;
  readonly version: string;
  readonly certificateNotAfter: Date;
  /** Asked at each exposition; undefined where there is nothing yet. */
  readonly outbox: () => OutboxSummary | undefined;
}

const prefix = 'contoso_device_';

/** Gauges of prom-client's whose names promise counters, which promtool refuses. */
const misnamed = ['handles', 'requests', 'resources'].map((what) => `nodejs_active_${what}_total`);

const statuses: readonly ConnectionStatus[] = ['Connected', 'DisconnectedRetrying', 'Disconnected', 'Closed'];

export function createMetrics({ labels, version, certificateNotAfter, outbox }: ServiceMetricsOptions): ServiceMetrics {
  const register = new Registry();
  register.setDefaultLabels(labels);
  collectDefaultMetrics({ register });
  for (const name of misnamed) register.removeSingleMetric(name);
  const counting = new Map(Object.entries(counters).map(([name, help]) => [name, counter(register, name, help)]));
  const gauge = (name: string, help: string, ...labelNames: string[]): Gauge =>
    new Gauge({ name: `${prefix}${name}`, help, labelNames, registers: [register] });
  gauge('build_info', 'Always 1; the version is in its label.', 'version').set({ version }, 1);
  gauge('certificate_expiry_timestamp_seconds', "Unix time when the device's certificate expires.").set(
    certificateNotAfter.getTime() / 1_000,
  );
  const connection = gauge(
    'connection_status',
    '1 for the status that the connection has, 0 for the others.',
    'status',
  );
  const desired = gauge('desired_properties_version', 'Version of the desired properties that were handled last.');
  const waiting = gauge('outbox_messages', 'Telemetry messages that wait on disk.');
  const waitingBytes = gauge('outbox_bytes', 'Their size, as the hub counts it.');
  const oldest = gauge('outbox_oldest_message_age_seconds', 'How long the oldest of them has been waiting.');
  const methods = new Histogram({
    name: `${prefix}method_duration_seconds`,
    help: 'Time that handlers of direct methods took, by the status they answered.',
    labelNames: ['method', 'status'],
    registers: [register],
  });
  const showStatus = (current: string): void => {
    for (const status of statuses) connection.set({ status }, status === current ? 1 : 0);
  };
  showStatus('Disconnected');
  return {
    record: (measurements) => {
      for (const measurement of measurements) {
        if ('add' in measurement) counting.get(measurement.add)?.inc({ ...measurement.labels }, measurement.count ?? 1);
        else if ('observe' in measurement) methods.observe({ ...measurement.labels }, measurement.seconds);
        else if (measurement.set === 'connection') showStatus(measurement.status);
        else desired.set(measurement.value);
      }
    },
    expose: async () => {
      const { messages = 0, bytes = 0, oldestAgeSeconds = 0 } = outbox() ?? {};
      waiting.set(messages);
      waitingBytes.set(bytes);
      oldest.set(oldestAgeSeconds);
      return { contentType: register.contentType, text: await register.metrics() };
    },
  };
}

function counter(register: Registry, name: string, help: string): Counter {
  const labelNames = { errors: ['code'], handler_failures: ['handler'], telemetry_dropped: ['reason'] }[name] ?? [];
  return new Counter({ name: `${prefix}${name}_total`, help, labelNames, registers: [register] });
}
