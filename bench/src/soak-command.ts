import { readRunOptions } from './run-options.ts';
import { runSoak } from './soak.ts';

const usage = `npm run soak -- [--agents 20] [--minutes 10] [--reconnects N] [--json]

Agents in one process whose connections are cut as soon as they are back and have delivered a message; the minutes are two hours
to them. --reconnects ends the run before. --json ends with one line of JSON. Exit code 1: memory, handles or listeners have
grown beyond the bounds in bench/README.md; 2: an argument is wrong.
`;

const options = readRunOptions(usage, { agents: 20, minutes: 10, reconnects: Infinity });
if (options) {
  const report = await runSoak(options);
  const { findings, ...numbers } = report;
  const rows = Object.entries(numbers).map(([name, number]) => `${name.padEnd(24)}${String(number).padStart(10)}`);
  const text = ['', ...rows, ...findings.map((finding) => `WRONG  ${finding}`), ''].join('\n');
  process.stdout.write(options.isJson ? `${JSON.stringify(report)}\n` : text);
  process.exitCode = findings.length > 0 ? 1 : 0;
}
