import { benchAgent } from './agent.ts';
import { benchEmulator } from './emulator.ts';
import { simulateFleet } from './fleet-simulation.ts';
import { benchPki } from './pki.ts';
import { showReport, type Bench } from './report.ts';

const benches: Readonly<Record<string, Bench>> = {
  agent: benchAgent,
  'cold-start': (progress) => benchAgent(progress, { part: 'cold' }),
  pki: benchPki,
  emulator: benchEmulator,
  fleet: simulateFleet,
};

const args = process.argv.slice(2);
const json = args.includes('--json');
const full = args.includes('--full');
const million = args.includes('--million');
const part = args.find((arg) => arg.startsWith('--part='))?.slice('--part='.length);
const wanted = args.filter((arg) => !arg.startsWith('-'));
const unknown = wanted.filter((name) => !(name in benches));
if (unknown.length > 0 || args.includes('--help')) {
  process.stderr.write(
    `npm run bench -- [${Object.keys(benches).join('|')}] [--json] [--million] [--full] [--part=name]\nWithout a name, all are run.\n`,
  );
  process.exitCode = unknown.length > 0 ? 2 : 0;
} else {
  for (const [name, bench] of Object.entries(benches)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    const report = await bench((text) => process.stderr.write(`${text}\n`), {
      million,
      full,
      ...(part !== undefined && { part }),
    });
    showReport(report, { json });
  }
}
