import type { ServiceConfig } from './config.ts';
import { readHealthFile } from './health-file.ts';
import type { HealthReport } from './health.ts';

export interface LatestHealth {
  readonly report: HealthReport | undefined;
  /** Whether it is fresh, and not a service's last words. */
  readonly isRunning: boolean;
}

const answerTimeoutMs = 5_000;

/** What the endpoint says, or where there is none, the file. */
export async function latestHealth({ host, port, file }: ServiceConfig['health']): Promise<LatestHealth> {
  const answered = port === undefined || port === 0 ? undefined : await ask(host, port);
  if (answered) return { report: answered, isRunning: true };
  const report = file === undefined ? undefined : await readHealthFile(file);
  if (!report) return { report, isRunning: false };
  const age = Date.now() - Date.parse(report.writtenAt);
  return { report, isRunning: report.state.status !== 'Closed' && age <= report.validSeconds * 1_000 };
}

async function ask(host: string, port: number): Promise<HealthReport | undefined> {
  try {
    const name = host.includes(':') ? `[${host}]` : host;
    const response = await fetch(`http://${name}:${port}/status`, { signal: AbortSignal.timeout(answerTimeoutMs) });
    return response.ok ? ((await response.json()) as HealthReport) : undefined;
  } catch {
    return undefined;
  }
}
