import type { AgentEvent } from '../agent/agent-options.ts';
import type { DeviceIdentity } from '../identity/device-identity.ts';
import type { ServiceConfig } from './config.ts';
import { configError } from './config.ts';
import { HealthFile } from './health-file.ts';
import { openEndpoint } from './http-endpoint.ts';
import { logLine } from './log-line.ts';
import type { ServiceLog } from './log.ts';
import { measurements } from './measurements.ts';
import { createMetrics } from './metrics.ts';
import { ServiceMonitor } from './monitor.ts';
import { summarizeState, type OutboxSummary } from '../state/state-summary.ts';
import { systemdNotifier, type NotifyEnvironment } from './systemd-notify.ts';

/** Everything that a service tells of its agent: log, metrics, health, traces, systemd. */
export interface ServiceNews {
  /** For the agent's `onEvent`. */
  take(event: AgentEvent): void;
  /** The agent runs, connected or not. */
  ready(): Promise<void>;
  stopping(): Promise<void>;
  close(): Promise<void>;
}

export interface ServiceNewsOptions {
  readonly config: ServiceConfig;
  readonly identity: DeviceIdentity;
  readonly log: ServiceLog;
  readonly version: string;
  readonly env: NotifyEnvironment;
}

/** @throws {DeviceAgentError} ERR_AGENT_CONFIG */
export async function openNews(options: ServiceNewsOptions): Promise<ServiceNews> {
  const { config, identity, log, version, env } = options;
  const warn = (message: string): void => log.write({ level: 'warn', message, fields: {} });
  const { file, everySeconds, host, port } = config.health;
  const outbox = (): OutboxSummary | undefined => waiting(config.stateFolder, identity.registrationId);
  const metrics = createMetrics({
    labels: { device: identity.registrationId },
    version,
    certificateNotAfter: identity.notAfter,
    outbox,
  });
  const systemd = systemdNotifier(env, warn);
  const onStatus = (): void => {
    void healthFile?.write();
    void systemd?.notify(`STATUS=${monitor.statusLine}`);
  };
  const monitor = new ServiceMonitor({ identity, version, validSeconds: everySeconds * 3, onStatus, outbox });
  const trace = config.tracing ? await tracing() : undefined;
  const endpoint =
    port === undefined
      ? undefined
      : await openEndpoint({
          ...{ host, port },
          answers: {
            isAlive: () => monitor.isAlive,
            isReady: () => monitor.isReady,
            health: () => monitor.report(),
            metrics: () => metrics.expose(),
          },
          onOpen: (open) => log.write({ level: 'info', message: 'health and metrics', fields: { host, port: open } }),
          onProblem: warn,
        });
  const healthFile =
    file === undefined
      ? undefined
      : new HealthFile({ file, everySeconds, report: () => monitor.report(), onProblem: warn });
  const watchdog =
    systemd?.watchdogIntervalMs === undefined
      ? undefined
      : setInterval(() => {
          if (monitor.isAlive) void systemd.notify('WATCHDOG=1');
          else
            log.write({
              level: 'error',
              message: "the agent's loop doesn't move: systemd gets no WATCHDOG=1",
              fields: {},
            });
        }, systemd.watchdogIntervalMs);
  return {
    take: (event) => {
      log.write(logLine(event));
      metrics.record(measurements(event));
      trace?.(event);
      monitor.take(event);
    },
    ready: async () => {
      await Promise.all([healthFile?.write(), systemd?.notify('READY=1', `STATUS=${monitor.statusLine}`)]);
    },
    stopping: async () => systemd?.notify('STOPPING=1'),
    close: async () => {
      clearInterval(watchdog);
      endpoint?.close();
      await healthFile?.close();
    },
  };
}

async function tracing(): Promise<(event: AgentEvent) => void> {
  try {
    return (await import('./tracing.ts')).traceEvents();
  } catch (cause) {
    throw configError(
      'tracing needs the package @opentelemetry/api.',
      'Install it beside the agent, or leave tracing out.',
      cause,
    );
  }
}

/** A state that can't be read at this moment is the agent's trouble, and it tells of it. */
function waiting(folder: string, registrationId: string): OutboxSummary | undefined {
  try {
    return summarizeState(folder, registrationId, new Date())?.outbox;
  } catch {
    return undefined;
  }
}
