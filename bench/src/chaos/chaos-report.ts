import type { BackOffice } from './back-office.ts';
import type { DeviceUnderChaos } from './device-under-chaos.ts';
import type { Stage } from './faults.ts';
import type { ChaosOptions } from './run-chaos.ts';

/** The books after a run. */
export interface ChaosReport {
  readonly seed: number;
  readonly agents: number;
  readonly seconds: number;
  /** How often each kind of fault was played. */
  readonly faults: Readonly<Record<string, number>>;
  readonly skipped: readonly string[];
  /** Whether everything came to rest in its time. */
  readonly isAtRest: boolean;
  /** Telemetry that `send` had resolved for. */
  readonly messages: number;
  readonly lost: number;
  readonly outOfOrder: number;
  /** Telemetry that came more than once, over what came. */
  readonly duplicates: number;
  readonly commands: number;
  readonly commandsMissed: number;
  readonly commandsAppliedTwice: number;
  readonly desiredChanges: number;
  readonly desiredMissed: number;
  /** Handed over once more with `isRepeated`, by a kill or a full disk; the application has its own books then. */
  readonly commandsHandedOverAgain: number;
  /** Handed over once more, by a kill or a full disk between the application's work and the agent's note of it. */
  readonly desiredHandedOverAgain: number;
  /** Agents that ended by themselves while their disk wasn't full. */
  readonly ended: readonly string[];
  readonly endedOnFullDisk: number;
  /** Rejected `send` calls. */
  readonly notTaken: number;
  readonly connections: number;
  readonly provisionings: number;
  /** What exactly is wrong, for whoever plays the run again. */
  readonly findings: readonly string[];
}

interface Books {
  readonly options: ChaosOptions;
  readonly stage: Stage;
  readonly office: BackOffice;
  readonly faults: Readonly<Record<string, number>>;
  readonly isAtRest: boolean;
  readonly skipped: readonly string[];
}

/** Compares what was promised with what has happened. */
export async function judge({ options, stage, office, faults, isAtRest, skipped }: Books): Promise<ChaosReport> {
  const { devices } = stage;
  const findings: string[] = [];
  const note = (deviceId: string, what: string, which: readonly unknown[]): number => {
    if (which.length > 0) findings.push(`${deviceId}: ${what}: ${which.slice(0, 10).join(', ')}`);
    return which.length;
  };
  const totals = { lost: 0, outOfOrder: 0, commandsMissed: 0, commandsAppliedTwice: 0, desiredMissed: 0 };
  for (const device of devices) {
    const { registrationId } = device.options;
    const { sent, applied } = office.messagesOf(device);
    const { lost, outOfOrder } = telemetryOf(device, stage);
    totals.lost += note(registrationId, 'lost', lost);
    totals.outOfOrder += note(registrationId, 'out of order', outOfOrder);
    totals.commandsMissed += note(registrationId, 'commands missed', missing(sent, new Set(applied)));
    totals.commandsAppliedTwice += note(registrationId, 'commands applied twice', repeated(applied));
    totals.desiredMissed += note(registrationId, 'desired properties missed', await office.missedBy(device));
  }
  const sum = (value: (device: DeviceUnderChaos) => number): number =>
    devices.reduce((total, device) => total + value(device), 0);
  return {
    ...{ seed: options.seed, agents: options.agents, seconds: options.seconds, faults, skipped, isAtRest, findings },
    ...totals,
    messages: sum(({ promised }) => promised.length),
    duplicates: repeated(stage.azure.arrivals.map(({ deviceId, number }) => `${deviceId} ${number}`)).length,
    commands: office.messages,
    desiredChanges: office.changes,
    commandsHandedOverAgain: sum(({ handedOverAgain }) => handedOverAgain),
    desiredHandedOverAgain: sum((device) => office.repeatedBy(device).length),
    ended: devices.flatMap(({ ends }) => ends),
    endedOnFullDisk: sum(({ endsOnFullDisk }) => endsOnFullDisk),
    notTaken: sum(({ notTaken }) => notTaken),
    connections: sum(({ connections }) => connections),
    provisionings: sum(({ provisionings }) => provisionings),
  };
}

/** Whether what ought to be was. */
export function isClean(report: ChaosReport): boolean {
  const { isAtRest, lost, outOfOrder, commandsMissed, commandsAppliedTwice, desiredMissed, ended } = report;
  return isAtRest && lost + outOfOrder + commandsMissed + commandsAppliedTwice + desiredMissed + ended.length === 0;
}

/** By first arrivals: what comes again may come late. */
function telemetryOf(
  { options, promised }: DeviceUnderChaos,
  { azure }: Stage,
): { readonly lost: readonly number[]; readonly outOfOrder: readonly number[] } {
  const arrived = new Set<number>();
  const outOfOrder: number[] = [];
  let highest = -1;
  for (const { deviceId, number } of azure.arrivals) {
    if (deviceId !== options.registrationId || arrived.has(number)) continue;
    arrived.add(number);
    if (number < highest) outOfOrder.push(number);
    highest = Math.max(highest, number);
  }
  return { lost: missing(promised, arrived), outOfOrder };
}

function missing<T>(wanted: readonly T[], found: ReadonlySet<T>): T[] {
  return wanted.filter((item) => !found.has(item));
}

/** Each item for every time that it comes again. */
function repeated<T>(items: readonly T[]): T[] {
  const seen = new Set<T>();
  return items.filter((item) => seen.size === seen.add(item).size);
}
