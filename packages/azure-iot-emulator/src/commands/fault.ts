import type { Command } from 'commander';
import { faultKinds } from '../faults/fault-json.ts';
import type { NumberedFault } from '../faults/fault-registry.ts';
import { asksEmulator } from './control-command.ts';

const EXAMPLES = `
Examples:
  $ azure-iot-emulator fault add drop deviceId=thermostat-1 --cloud ./cloud.json
  $ azure-iot-emulator fault add throttle dps=my-dps share=0.2 seed=7 retryAfterSeconds=3 --cloud ./cloud.json
  $ azure-iot-emulator fault add certificate problem=expired --cloud ./cloud.json
  $ azure-iot-emulator fault clear --cloud ./cloud.json

Kinds: ${faultKinds.join(', ')}.`;

/** Adds `fault add|list|remove|clear` to the program. */
export function registerFault(program: Command): void {
  const fault = program
    .command('fault')
    .description('let things go wrong in a running emulator')
    .addHelpText('after', EXAMPLES);
  const path = '/emulator/faults';
  asksEmulator(
    fault.command('add').description('begin a fault').argument('<kind>').argument('[fields...]', 'name=value'),
    ([kind, fields]) => ({
      request: { method: 'POST', path, body: { kind, ...fieldsOf(fields as unknown as readonly string[]) } },
      show: (answer) => `Fault ${describe(answer as unknown as NumberedFault)}`,
    }),
  );
  asksEmulator(fault.command('list').description('print what goes wrong now'), () => ({
    request: { method: 'GET', path },
    show: ({ faults }) => (faults as unknown as readonly NumberedFault[]).map(describe).join('\n') || 'No fault.',
  }));
  asksEmulator(fault.command('remove <number>').description('end a fault'), ([number = '']) => ({
    request: { method: 'DELETE', path: `${path}/${encodeURIComponent(number)}` },
    show: () => `Fault ${number} has ended.`,
  }));
  asksEmulator(fault.command('clear').description('end every fault'), () => ({
    request: { method: 'DELETE', path },
    show: () => 'Every fault has ended.',
  }));
}

/** What looks like a number is one. */
function fieldsOf(fields: readonly string[]): Record<string, string | number> {
  return Object.fromEntries(
    fields.map((field) => {
      const [name = '', ...rest] = field.split('=');
      const value = rest.join('=');
      return [name, value !== '' && !Number.isNaN(Number(value)) && name !== 'deviceId' ? Number(value) : value];
    }),
  );
}

function describe({ id, fault, met }: NumberedFault): string {
  return `${id}: ${JSON.stringify(fault)}, met ${met} times`;
}
