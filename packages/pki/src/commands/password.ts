import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { read } from 'read';
import { UsageError } from './usage-error.ts';

/** Where a secret comes from, if not from the prompt. */
const sources = {
  root: { option: '--root-password-file', variable: 'ROOT_PASSWORD', kind: 'password' },
  line: { option: '--line-password-file', variable: 'LINE_PASSWORD', kind: 'password' },
  device: { option: '--device-password-file', variable: 'DEVICE_PASSWORD', kind: 'password' },
  station: { option: '--station-password-file', variable: 'STATION_PASSWORD', kind: 'password' },
  token: { option: '--pkcs11-pin-file', variable: 'PKCS11_PIN', kind: 'PIN' },
} as const;

/** A password, or a token's PIN, that a command needs. */
export interface PasswordNeed {
  name: keyof typeof sources;
  /** What it protects, for the prompt and for errors. */
  label: string;
  /** From the option. */
  file: string | undefined;
  /** Asked for twice, since it can't be found out later. */
  isNew: boolean;
}

/** A password on the command line would be seen by every user of the machine, so there is no option for it. */
export function addPasswordOption(command: Command, name: PasswordNeed['name'], what: string): Command {
  const { option, variable, kind } = sources[name];
  return command
    .option(`${option} <file>`, `file with the ${kind} ${what}`)
    .addHelpText('after', `\nThe ${kind} ${what}: ${option}, the variable ${variable}, or the prompt.`);
}

/** From the file, the environment or the terminal, in this order; never shown. */
export async function readPassword(need: PasswordNeed): Promise<string> {
  const { label, file } = need;
  const { option, variable, kind } = sources[need.name];
  if (file !== undefined) {
    const text = await readFile(file, 'utf8').catch((cause: unknown) => {
      throw new UsageError(`Can't read the ${kind} file ${file} given as ${option}.`, { cause });
    });
    return notEmpty(text.replace(/\r?\n$/, ''), `${file} is empty`);
  }
  const fromEnvironment = process.env[variable];
  if (fromEnvironment !== undefined) return notEmpty(fromEnvironment, `${variable} is empty`);
  if (process.stdin.isTTY) return ask(need);
  throw new UsageError(`No ${kind} for the ${label}: give ${option} FILE, set ${variable}, or run this in a terminal.`);
}

async function ask({ name, label, isNew }: PasswordNeed): Promise<string> {
  const prompt = (text: string): Promise<string> => read({ prompt: text, silent: true, output: process.stderr });
  const password = notEmpty(await prompt(`The ${sources[name].kind} of the ${label}: `), 'none was typed');
  if (isNew && (await prompt('The same once more: ')) !== password) {
    throw new UsageError('The two passwords differ: nothing was done.');
  }
  return password;
}

function notEmpty(password: string, problem: string): string {
  if (password === '') throw new UsageError(`A password or PIN must not be empty: ${problem}.`);
  return password;
}
