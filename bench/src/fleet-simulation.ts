import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { plotScenario } from './fleet-plot.ts';
import { fleetScenarios, playScenario, type FleetResult } from './fleet-scenarios.ts';
import { round, type Sheet } from './report.ts';

const size = 100_000;

/**
 * 100,000 devices lose their hub, or their power, at the same moment. Their decisions are the agent's own code, admission
 * is the emulator's own quota rule, time is virtual. Writes a plot of each scenario into bench/results.
 */
export async function simulateFleet(progress: (text: string) => void): Promise<Sheet> {
  const results: FleetResult[] = [];
  for (const scenario of fleetScenarios) {
    progress(`${scenario.title} ...`);
    results.push(playScenario(scenario, size));
  }
  const folder = fileURLToPath(new URL('../results/', import.meta.url));
  await mkdir(folder, { recursive: true });
  for (const result of results) {
    const file = join(folder, `fleet-${result.scenario.name}.svg`);
    await writeFile(file, plotScenario(result));
    progress(`wrote ${file}`);
  }
  return {
    title: `${size.toLocaleString('en')} devices that lose their connections together (one S1 hub: 100 connections a second; DPS: 1,000 registrations a minute)`,
    skipped: [],
    sections: [
      {
        title:
          'time until all are back, against the least that the quota allows; tries that were refused for the quota',
        columns: ['scenario', 'least, min', 'all back, min', 'ratio', 'refused', 'peak, hub', 'peak, DPS'],
        rows: results.map((result) => row(result)),
      },
    ],
    values: Object.fromEntries(results.flatMap((result) => Object.entries(values(result)))),
  };
}

function row({ scenario, leastMs, allBackMs, hub, dps }: FleetResult): string[] {
  const minutes = (ms: number): string => String(round(ms / 60_000, 1));
  const refused = String(hub.throttled + dps.throttled);
  const percent = (share: number): string => `${round(share * 100, 0)} %`;
  const ratio = String(round(allBackMs / leastMs, 2));
  return [scenario.name, minutes(leastMs), minutes(allBackMs), ratio, refused, percent(hub.peak), percent(dps.peak)];
}

/** `{scenario}VsLeast`, `{scenario}Refused`, and the busiest minute over what the quotas allow, `{scenario}Peak`. */
function values({ scenario: { name }, leastMs, allBackMs, hub, dps }: FleetResult): Record<string, number> {
  return {
    [`${name}VsLeast`]: round(allBackMs / leastMs, 3),
    [`${name}Refused`]: hub.throttled + dps.throttled,
    [`${name}Peak`]: round(Math.max(hub.peak, dps.peak), 3),
  };
}
