import type { Command } from 'commander';
import { asksEmulator } from './control-command.ts';

const EXAMPLES = `
Examples:
  $ azure-iot-emulator snapshot save before --cloud ./cloud.json
  $ azure-iot-emulator snapshot diff before --cloud ./cloud.json      what has changed since
  $ azure-iot-emulator snapshot load before --cloud ./cloud.json      back to it; connections end

A snapshot is a file of JSON, readable by you alone: it holds keys.`;

/** Adds `snapshot save|load|list|diff` to the program. */
export function registerSnapshot(program: Command): void {
  const snapshot = program
    .command('snapshot')
    .description('save, load and compare states of a running emulator')
    .addHelpText('after', EXAMPLES);
  const pathOf = (name = ''): string => `/emulator/snapshots/${encodeURIComponent(name)}`;
  asksEmulator(snapshot.command('save <name>').description('write the state to a file'), ([name]) => ({
    request: { method: 'PUT', path: pathOf(name) },
    show: ({ path }) => `Saved ${path as string}`,
  }));
  asksEmulator(
    snapshot.command('load <name>').description('put a saved state in the place of the present one'),
    ([name]) => ({
      request: { method: 'POST', path: `${pathOf(name)}/load` },
      show: () => `Loaded ${name ?? ''}`,
    }),
  );
  asksEmulator(snapshot.command('list').description('print the names of what was saved'), () => ({
    request: { method: 'GET', path: '/emulator/snapshots' },
    show: ({ names }) => (names as readonly string[]).join('\n'),
  }));
  asksEmulator(
    snapshot.command('diff <before> [after]').description('print what changed between two, or since one'),
    ([before, after]) => ({
      request: {
        method: 'GET',
        path: `${pathOf(before)}/diff${after === undefined ? '' : `?after=${encodeURIComponent(after)}`}`,
      },
      show: ({ differences }) =>
        (differences as readonly { readonly text: string }[]).map(({ text }) => text).join('\n') || 'No difference.',
    }),
  );
}
