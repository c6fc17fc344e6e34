import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import { DeviceAgent } from '../agent/device-agent.ts';
import { textOf } from '../errors.ts';
import { configuredAgent } from './agent-options.ts';
import { applicationError, loadApplication, type DeviceApplication } from './application.ts';
import { type ServiceConfig } from './config.ts';
import { errorFields } from './log-line.ts';
import { openLog, type ServiceLog } from './log.ts';
import { openNews, type ServiceNews } from './news.ts';
import { redactSecrets } from './redaction.ts';
import type { NotifyEnvironment } from './systemd-notify.ts';
import { packageVersion } from './version.ts';

export interface ServiceOptions {
  readonly config: ServiceConfig;
  readonly stdout: { write(text: string): unknown };
  readonly env: NotifyEnvironment;
  /** Resolves with the name of the signal that asks for the end. */
  readonly stopAsked: Promise<string>;
  /** Resolves with what the application has thrown where nobody catches it. */
  readonly uncaught: Promise<unknown>;
  /** Gets the secrets that the configuration has led to. */
  readonly hide: (secrets: readonly string[]) => void;
}

/** How a service ended. */
export interface ServiceEnd {
  /** Telemetry that waits on disk for the next start. */
  readonly undeliveredMessages: number;
  /** Undefined where it was stopped as asked. */
  readonly error: unknown;
}

/**
 * Runs one device until it is asked to stop, or can't go on.
 *
 * @throws {DeviceAgentError} what keeps it from starting: ERR_AGENT_CONFIG, ERR_AGENT_SECRET, ERR_AGENT_APPLICATION,
 *   ERR_AGENT_IDENTITY_FILE, ERR_AGENT_PASSWORD, ERR_AGENT_IDENTITY_INVALID
 */
export async function runService(options: ServiceOptions): Promise<ServiceEnd> {
  const { config, stdout, env, hide } = options;
  const { options: agentOptions, secrets } = await configuredAgent(config);
  hide(secrets);
  const { identity } = agentOptions;
  const application = config.application === undefined ? {} : await loadApplication(config.application);
  const base = { registrationId: identity.registrationId };
  const log = openLog({ config: config.log, base, redact: redactSecrets(secrets), stdout });
  try {
    const news = await openNews({ config, identity, log, env, version: packageVersion() });
    try {
      const { onMessage, methods, onDesired } = application;
      const agent = new DeviceAgent({
        ...agentOptions,
        ...(onMessage && { onMessage }),
        ...(onDesired && { onDesired }),
        ...(methods && { methods }),
        onEvent: (event) => news.take(event),
      });
      return await run({ ...options, application, agent, log, news });
    } finally {
      await news.close();
    }
  } finally {
    await log.close();
  }
}

interface Running extends ServiceOptions {
  readonly application: DeviceApplication;
  readonly agent: DeviceAgent;
  readonly log: ServiceLog;
  readonly news: ServiceNews;
}

async function run(running: Running): Promise<ServiceEnd> {
  const { agent, application, log, news, stopAsked, uncaught } = running;
  log.write({ level: 'info', message: 'starting', fields: { version: packageVersion(), node: process.version } });
  const ended = agent.start().then(
    () => agent.finished,
    (error: unknown) => error,
  );
  // What keeps the agent from opening its state has come out by then; a first connection may take for ever.
  const early = await Promise.race([ended, nextTurn()]);
  if (early !== undefined)
    return stop(running, { error: early, work: Promise.resolve(), stopping: new AbortController() });
  const stopping = new AbortController();
  const work = Promise.resolve().then(() => application.start?.(agent, stopping.signal));
  await news.ready();
  const error = await Promise.race([
    stopAsked.then((signal) => log.write({ level: 'info', message: 'stopping', fields: { signal } })),
    ended,
    uncaught.then((thrown) =>
      applicationError(
        `Nobody caught what the application threw: ${textOf(thrown)}.`,
        'Have it caught where it is thrown.',
        thrown,
      ),
    ),
    failureOf(work),
  ]);
  return stop(running, { error, work, stopping });
}

/** Resolves when the application fails, never when it has done its work. */
function failureOf(work: Promise<void>): Promise<Error> {
  return new Promise((resolve) => {
    work.catch((thrown: unknown) =>
      resolve(
        applicationError(
          `The application's start failed: ${textOf(thrown)}.`,
          'Mend the application; it is started again with the service.',
          thrown,
        ),
      ),
    );
  });
}

interface Ending {
  readonly error: unknown;
  readonly work: Promise<void>;
  readonly stopping: AbortController;
}

/** The application first, so that it sends no more; then what it has sent. */
async function stop({ agent, config, log, news }: Running, { error, work, stopping }: Ending): Promise<ServiceEnd> {
  const graceMs = config.stopSeconds * 1_000;
  await news.stopping();
  stopping.abort();
  const grace = new AbortController();
  await Promise.race([work.catch(() => undefined), delay(graceMs, undefined, { signal: grace.signal })]);
  grace.abort();
  const { undeliveredMessages } = await agent.stop(graceMs);
  if (error !== undefined) log.write({ level: 'error', message: 'ended', fields: { cause: errorFields(error) } });
  log.write({
    level: undeliveredMessages === 0 ? 'info' : 'warn',
    message: 'stopped',
    fields: {
      undeliveredMessages,
      ...(undeliveredMessages > 0 && { advice: 'they are on disk, and go out with the next start' }),
    },
  });
  return { undeliveredMessages, error };
}
