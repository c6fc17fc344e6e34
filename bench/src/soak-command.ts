import { runSoak } from './soak.ts';

const usage = `npm run soak -- [--agents 20] [--minutes 10] [--reconnects N] [--json]

Agents in one process whose connections are cut as soon as they are back and have delivered a message; the minutes are two hours
to them. --reconnects ends the run before. --json ends with one line of JSON. Exit code 1: memory, handles or listeners have
grown beyond the bounds in bench/README.md.
`;

const args = process.argv.slice(2);
const value = (name: string, otherwise: number): number => {
  const place = args.indexOf(`--${name}`);
  return place < 0 ? otherwise : Number(args[place + 1]);
};

if (args.includes('--help')) {
  process.stdout.write(usage);
} else {
  const report = await runSoak({
    agents: value('agents', 20),
    minutes: value('minutes', 10),
    reconnects: value('reconnects', Infinity),
    progress: (text) => process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`),
  });
  const { findings, ...numbers } = report;
  const rows = Object.entries(numbers).map(([name, number]) => `${name.padEnd(24)}${String(number).padStart(10)}`);
  const text = ['', ...rows, ...findings.map((finding) => `WRONG  ${finding}`), ''].join('\n');
  process.stdout.write(args.includes('--json') ? `${JSON.stringify(report)}\n` : text);
  process.exitCode = findings.length > 0 ? 1 : 0;
}
