import { systemClock } from '../clock.ts';
import type { Diagnosis } from './diagnosis.ts';
import type { DiagnoseOptions, Findings } from './examination.ts';
import type { Machine } from './machine.ts';

/**
 * Looks at everything that an agent with this configuration needs, one check after the other. It changes nothing on the device and needs
 * no running agent; with one running, it leaves the hub connection alone, since a second one would throw the agent's out.
 *
 * DPS is asked for the device's registration state. A device that has none yet is registered, which is what its agent would do,
 * while no agent runs.
 *
 * @returns what was found, failures included
 * @throws {TypeError} options that are none; the signal's reason, where that ended it
 */
export function diagnose(options: DiagnoseOptions): Promise<Diagnosis> {
  return examine(options);
}

/** {@link diagnose}, on a machine that may be another one. */
export async function examine(options: DiagnoseOptions, machine?: Machine): Promise<Diagnosis> {
  // An agent that never fails never loads them.
  const [{ allChecks }, { runChecks }, { thisMachine }] = await Promise.all([
    import('./all-checks.ts'),
    import('./check-run.ts'),
    import('./machine.ts'),
  ]);
  const clock = options.clock ?? systemClock;
  const findings: Findings = {
    open: { dps: new Set(), hub: new Set() },
    handshakes: {},
    ...('hostName' in options.connectTo && { hub: options.connectTo }),
  };
  const examination = { options, machine: machine ?? thisMachine, clock, findings };
  const result = await runChecks(allChecks, examination, { clock, signal: options.signal, onCheck: options.onCheck });
  const { registrationId } = findings.identity ?? {};
  return { ...result, ...(registrationId !== undefined && { registrationId }) };
}
