import { isClean, type ChaosReport } from './chaos-report.ts';
import { runChaos } from './run-chaos.ts';

const usage = `npm run chaos -- [--agents 20] [--seconds 180] [--speed 10] [--seed N] [--json]

Agents, each in a process of its own, and an emulator that keeps everything on disk, while connections are cut, frozen and
swallowed, quotas refuse, hub and DPS go away, disks fill up, and processes are killed. 180 seconds at 10 times the speed are
the agents' 30 minutes. --json ends with one line of JSON; the same seed plays the same faults. Exit code 1: something was
lost, out of order, done twice or missed.
`;

const args = process.argv.slice(2);
const value = (name: string, otherwise: number): number => {
  const place = args.indexOf(`--${name}`);
  return place < 0 ? otherwise : Number(args[place + 1]);
};

if (args.includes('--help')) {
  process.stdout.write(usage);
} else {
  const report = await runChaos({
    agents: value('agents', 20),
    seconds: value('seconds', 180),
    speed: value('speed', 10),
    seed: value('seed', Math.floor(Math.random() * 1e6)),
    progress: (text) => process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`),
  });
  process.stdout.write(args.includes('--json') ? `${JSON.stringify(report)}\n` : text(report));
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
