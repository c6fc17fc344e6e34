import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Variables that systemd sets for a service of `Type=notify`. */
export interface NotifyEnvironment {
  readonly NOTIFY_SOCKET?: string | undefined;
  readonly WATCHDOG_USEC?: string | undefined;
  readonly WATCHDOG_PID?: string | undefined;
}

export interface SystemdNotifier {
  /** How often systemd wants `WATCHDOG=1`: half of its patience, in milliseconds; undefined where it has no watchdog. */
  readonly watchdogIntervalMs: number | undefined;
  /** Resolves when systemd has taken the message; what it can't take is told, and is no failure of the service. */
  notify(...assignments: string[]): Promise<void>;
}

const run = promisify(execFile);

/** systemd-notify(1) itself waits 5 s for systemd to have read the message. */
const timeoutMs = 10_000;

/**
 * Tells systemd how the service is (sd_notify(3)).
 *
 * Node has no datagram sockets of AF_UNIX, so this runs `systemd-notify`, which every machine with systemd has; the unit
 * needs `NotifyAccess=all` for that. One message at a time, in order.
 *
 * @param onProblem - told once, with what is wrong
 * @returns undefined where no systemd waits for news
 */
export function systemdNotifier(
  env: NotifyEnvironment,
  onProblem: (message: string) => void,
): SystemdNotifier | undefined {
  if (env.NOTIFY_SOCKET === undefined || env.NOTIFY_SOCKET === '') return undefined;
  let told = false;
  let last: Promise<void> = Promise.resolve();
  const send = async (assignments: readonly string[]): Promise<void> => {
    try {
      await run('systemd-notify', assignments, { timeout: timeoutMs });
    } catch (error) {
      if (!told) onProblem(`systemd-notify failed: ${error instanceof Error ? error.message : String(error)}`);
      told = true;
    }
  };
  return {
    watchdogIntervalMs: watchdogIntervalMs(env, process.pid),
    notify: (...assignments) => (last = last.then(() => send(assignments))),
  };
}

/** Half of `WATCHDOG_USEC` (sd_watchdog_enabled(3)); a `WATCHDOG_PID` that isn't ours means another process. */
export function watchdogIntervalMs(env: NotifyEnvironment, pid: number): number | undefined {
  const microseconds = Number(env.WATCHDOG_USEC);
  const isOurs = env.WATCHDOG_PID === undefined || env.WATCHDOG_PID === String(pid);
  return isOurs && microseconds > 0 ? microseconds / 2_000 : undefined;
}
