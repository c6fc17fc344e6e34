import { readRunOptions } from '../run-options.ts';
import { isClean, type ChaosReport } from './chaos-report.ts';
import { runChaos } from './run-chaos.ts';

const usage = `npm run chaos -- [--agents 20] [--seconds 180] [--speed 10] [--seed N] [--json]

Agents, each in a process of its own, and an emulator that keeps everything on disk, while connections are cut, frozen and
swallowed, quotas refuse, hub and DPS go away, disks fill up, and processes are killed. 180 seconds at 10 times the speed are
the agents' 30 minutes. --json ends with one line of JSON; the same seed plays the same faults. Exit code 1: something was
lost, out of order, done twice or missed; 2: an argument is wrong.
`;

const seed = Math.floor(Math.random() * 1e6);
const options = readRunOptions(usage, { agents: 20, seconds: 180, speed: 10, seed });
if (options) {
  const report = await runChaos(options);
  process.stdout.write(options.isJson ? `${JSON.stringify(report)}\n` : text(report));
  process.exitCode = isClean(report) ? 0 : 1;
}

function text(report: ChaosReport): string {
  const { faults, findings, skipped, ended, ...numbers } = report;
  const rows = [...Object.entries(numbers), ['ended', ended.length] as const];
  return [
    '',
    `Faults: ${Object.entries(faults)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ')}`,
    ...rows.map(([name, count]) => `${name.padEnd(24)}${String(count).padStart(10)}`),
    ...skipped.map((name) => `Skipped: ${name}: it needs a file system of its own, which this user may not mount`),
    ...[...ended, ...findings].map((finding) => `WRONG  ${finding}`),
    '',
  ].join('\n');
}
