import { exponentialBackoff, Reconnection, spreadWindowMs, type Fleet } from '@contoso/device-agent';
import type { HubTier } from '@contoso/azure-iot-emulator/quotas';
import { EventQueue } from './event-queue.ts';
import { SimulatedDps, SimulatedHub } from './fleet-cloud.ts';
import { seededRandom } from './seeded-random.ts';
import { SimulatedAgent } from './simulated-agent.ts';

/** What happens to the fleet. */
export interface FleetScenario {
  readonly name: string;
  readonly title: string;
  /** When a device can be back at the earliest, in milliseconds after all connections were lost. */
  readonly possibleFromMs: number;
  /** How the hub that the fleet was connected to answers from then on. */
  readonly oldHub: (nowMs: number) => 'there' | 'silent' | 'refusing';
  /** The service whose quota says how fast a fleet can be back at all. */
  readonly bottleneck: 'hub' | 'dps';
  /** What the devices are told of each other. */
  readonly fleet: (size: number) => Fleet;
  /** Power comes back to all, instead of a connection that is lost. */
  readonly isStart?: true;
}

/** How it went. */
export interface FleetResult {
  readonly scenario: FleetScenario;
  readonly size: number;
  /** Milliseconds from `possibleFromMs` on. */
  readonly allBackMs: number;
  /** Size over quota. */
  readonly leastMs: number;
  readonly hub: ServiceLoad;
  readonly dps: ServiceLoad;
  /** Devices that are back, at even steps from the beginning to the end. */
  readonly back: readonly number[];
  readonly stepMs: number;
}

/** What a service saw. */
export interface ServiceLoad {
  readonly tries: number;
  readonly throttled: number;
  /** The busiest minute's tries over what the quota allows in a minute. */
  readonly peak: number;
  /** Tries a second, step by step. */
  readonly perSecond: readonly number[];
  readonly quotaPerSecond: number;
}

const outageMs = 30 * 60_000;
const tier: HubTier = { sku: 'S1', units: 1 };
const steps = 200;

const duringOutage = (nowMs: number): 'there' | 'silent' => (nowMs < outageMs ? 'silent' : 'there');

export const fleetScenarios: readonly FleetScenario[] = [
  {
    name: 'outage',
    title: 'The region is away for 30 minutes, then the hub is back',
    possibleFromMs: outageMs,
    oldHub: duringOutage,
    bottleneck: 'hub',
    fleet: (size) => ({ size }),
  },
  {
    name: 'failover',
    title: 'The hub is gone for good: everybody moves to another through DPS',
    possibleFromMs: 0,
    oldHub: () => 'silent',
    bottleneck: 'dps',
    fleet: (size) => ({ size }),
  },
  {
    name: 'replaced',
    title: 'The hub is made anew and knows nobody: everybody registers again through DPS',
    possibleFromMs: 0,
    oldHub: () => 'refusing',
    bottleneck: 'dps',
    fleet: (size) => ({ size }),
  },
  {
    name: 'power',
    title: 'Power comes back to all devices at the same moment',
    possibleFromMs: 0,
    oldHub: () => 'there',
    bottleneck: 'hub',
    fleet: (size) => ({ size, startWindowMs: spreadWindowMs({ size }, 'hub') }),
    isStart: true,
  },
  {
    name: 'untold',
    title: 'The outage again, with devices that count for themselves alone (for comparison)',
    possibleFromMs: outageMs,
    oldHub: duringOutage,
    bottleneck: 'hub',
    fleet: () => ({ size: 1 }),
  },
];

/** Plays a scenario with that many devices, on virtual time, until everybody is back. */
export function playScenario(scenario: FleetScenario, size: number, seed = 1): FleetResult {
  const events = new EventQueue();
  const random = seededRandom(seed);
  const dps = new SimulatedDps(events);
  const oldHub = new SimulatedHub(events, tier, scenario.oldHub);
  const newHub = new SimulatedHub(events, tier, () => 'there');
  const hub = scenario.bottleneck === 'hub' ? oldHub : newHub;
  const fleet = scenario.fleet(size);
  const policy = exponentialBackoff({ fleet, random });
  const backAtMs: number[] = [];
  for (let index = 0; index < size; index += 1) {
    const reconnection = new Reconnection({ policy, fleet, onRefusal: 'retry-slowly', canProvision: true, random });
    const onBack = (): void => void backAtMs.push(events.nowMs);
    const agent = new SimulatedAgent({ events, reconnection, dps, kept: oldHub, assigned: hub, onBack });
    if (scenario.isStart) agent.start();
    else agent.lose();
  }
  while (backAtMs.length < size) events.runUntil(events.nowMs + 60_000);
  const endMs = backAtMs[size - 1] ?? 0;
  const stepMs = endMs / steps;
  return {
    scenario,
    size,
    allBackMs: endMs - scenario.possibleFromMs,
    leastMs: (size / (scenario.bottleneck === 'hub' ? hub : dps).perSecond) * 1_000,
    hub: loadOf(hub, stepMs),
    dps: loadOf(dps, stepMs),
    back: countUpTo(backAtMs, stepMs),
    stepMs,
  };
}

function loadOf({ offered, throttled, perSecond }: SimulatedHub | SimulatedDps, stepMs: number): ServiceLoad {
  return {
    tries: offered.total,
    throttled,
    peak: offered.busiestMinute() / (perSecond * 60),
    perSecond: Array.from({ length: steps }, (_, step) => offered.between(step * stepMs, (step + 1) * stepMs)),
    quotaPerSecond: perSecond,
  };
}

/** Times come in order. */
function countUpTo(timesMs: readonly number[], stepMs: number): number[] {
  let count = 0;
  const counts = Array.from({ length: steps }, (_, step) => {
    while (count < timesMs.length && (timesMs[count] ?? 0) <= step * stepMs) count += 1;
    return count;
  });
  return [...counts, timesMs.length];
}
