import { type Command, InvalidArgumentError } from 'commander';
import { asksEmulator } from './control-command.ts';

const EXAMPLES = `
Examples:
  $ azure-iot-emulator clock advance 90d --cloud ./cloud.json
  $ azure-iot-emulator clock set 2030-01-01T00:00:00Z --cloud ./cloud.json
  $ azure-iot-emulator clock freeze --cloud ./cloud.json

What falls due on the way happens: tokens and certificates run out, locks and messages too.`;

const unitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Adds `clock show|advance|set|freeze|resume|reset` to the program. */
export function registerClock(program: Command): void {
  const clock = program
    .command('clock')
    .description('show and move the time that a running emulator judges by')
    .addHelpText('after', EXAMPLES);
  const path = '/emulator/clock';
  const show = ({ now, isFrozen }: { readonly now?: unknown; readonly isFrozen?: unknown }): string =>
    `${String(now)}${isFrozen === true ? ' (frozen)' : ''}`;
  asksEmulator(clock.command('show').description('print the time'), () => ({ request: { method: 'GET', path }, show }));
  const post = (command: Command, bodyOf: (argument: string | undefined) => object): void =>
    asksEmulator(command, ([argument]) => ({ request: { method: 'POST', path, body: bodyOf(argument) }, show }));
  const advance = clock
    .command('advance')
    .description('move time forward')
    .argument('<duration>', 'such as 90d, 12h, 5m, 30s, 250ms', checkDuration);
  post(advance, (duration) => ({ advanceMs: durationMs(duration ?? '') }));
  post(clock.command('set <time>').description('move time to a point, ISO 8601'), (time) => ({ set: time }));
  post(clock.command('freeze').description('let time stand still'), () => ({ isFrozen: true }));
  post(clock.command('resume').description('let time go by again'), () => ({ isFrozen: false }));
  post(clock.command('reset').description("back to the system's time"), () => ({ reset: true }));
}

function checkDuration(text: string): string {
  if (durationMs(text) === undefined) throw new InvalidArgumentError('Expected a number and ms, s, m, h or d.');
  return text;
}

function durationMs(text: string): number | undefined {
  const [, amount, unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? [];
  const unitMs = unitsMs[unit];
  return amount === undefined || unitMs === undefined ? undefined : Number(amount) * unitMs;
}
