import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { OutboxSummary } from '../state/state-summary.ts';
import { counters, gauges, stateGauges, type Measurement } from './measurements.ts';

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
  /** Of the certificate given at installation. */
  readonly certificateNotAfter: Date;
  /** Asked at each exposition; undefined where there is nothing yet. */
  readonly outbox: () => OutboxSummary | undefined;
}

const prefix = 'contoso_device_';

/** Gauges of prom-client's whose names promise counters, which promtool refuses. */
const misnamed = ['handles', 'requests', 'resources'].map((what) => `nodejs_active_${what}_total`);

export function createMetrics({ labels, version, certificateNotAfter, outbox }: ServiceMetricsOptions): ServiceMetrics {
  const register = new Registry();
  register.setDefaultLabels(labels);
  collectDefaultMetrics({ register });
  for (const name of misnamed) register.removeSingleMetric(name);
  const gauge = (name: string, help: string, ...labelNames: string[]): Gauge =>
    new Gauge({ name: `${prefix}${name}`, help, labelNames, registers: [register] });
  gauge('build_info', 'Always 1; the version is in its label.', 'version').set({ version }, 1);
  const counting = mapped(counters, (name, { help, labels: labelNames }) => {
    return new Counter({ name: `${prefix}${name}_total`, help, labelNames, registers: [register] });
  });
  const measuring = mapped(gauges, (name, help) => gauge(name, help));
  const states = mapped(stateGauges, (name) => {
    const help = `1 for the ${name.replace('_', ' ')} that there is, 0 for the others.`;
    return gauge(name, help, 'state');
  });
  const methods = new Histogram({
    name: `${prefix}method_duration_seconds`,
    help: 'Time from the call of a direct method to its answer, by status.',
    labelNames: ['method', 'status'],
    registers: [register],
  });
  const waiting = gauge('outbox_messages', 'Telemetry messages that wait on disk.');
  const waitingBytes = gauge('outbox_bytes', 'Their size, as the hub counts it.');
  const oldest = gauge('outbox_oldest_message_age_seconds', 'How long the oldest of them has been waiting.');
  const take = (measurement: Measurement): void => {
    if ('add' in measurement) counting[measurement.add].inc({ ...measurement.labels }, measurement.count ?? 1);
    else if ('observe' in measurement) methods.observe({ ...measurement.labels }, measurement.seconds);
    else if ('set' in measurement) measuring[measurement.set].set(measurement.value);
    else {
      const [name, current] = measurement.state;
      for (const state of stateGauges[name]) states[name].set({ state }, state === current ? 1 : 0);
    }
  };
  take({ set: 'certificate_expiry_timestamp_seconds', value: certificateNotAfter.getTime() / 1_000 });
  take({ state: ['connection_status', 'Disconnected'] });
  take({ state: ['phase', 'stopped'] });
  return {
    record: (measurements) => measurements.forEach(take),
    expose: async () => {
      const { messages = 0, bytes = 0, oldestAgeSeconds = 0 } = outbox() ?? {};
      waiting.set(messages);
      waitingBytes.set(bytes);
      oldest.set(oldestAgeSeconds);
      return { contentType: register.contentType, text: await register.metrics() };
    },
  };
}

/** A metric for each name. */
function mapped<Name extends string, Spec, Made>(
  specs: Readonly<Record<Name, Spec>>,
  make: (name: Name, spec: Spec) => Made,
): Readonly<Record<Name, Made>> {
  const made: Partial<Record<Name, Made>> = {};
  for (const name of Object.keys(specs) as Name[]) made[name] = make(name, specs[name]);
  return made as Record<Name, Made>;
}
