import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { read } from 'read';
import { UsageError } from './usage-error.ts';

/** A password that a command needs: its option is `--{name}-password-file`, its variable `{NAME}_PASSWORD`. */
export interface PasswordNeed {
  name: 'root' | 'line' | 'device' | 'station';
  /** What it protects, for the prompt and for errors. */
  label: string;
  /** From the option. */
  file: string | undefined;
  /** Asked for twice, since it can't be found out later. */
  isNew: boolean;
}

/** A password on the command line would be seen by every user of the machine, so there is no option for it. */
export function addPasswordOption(command: Command, name: PasswordNeed['name'], what: string): Command {
  return command
    .option(`--${name}-password-file <file>`, `file with the password ${what}`)
    .addHelpText(
      'after',
      `\nThe password ${what}: --${name}-password-file, the variable ${variableOf(name)}, or the prompt.`,
    );
}

/** From the file, the environment or the terminal, in this order; never shown. */
export async function readPassword(need: PasswordNeed): Promise<string> {
  const { name, label, file } = need;
  if (file !== undefined) {
    const text = await readFile(file, 'utf8').catch((cause: unknown) => {
      throw new UsageError(`Can't read the password file ${file} given as --${name}-password-file.`, { cause });
    });
    return notEmpty(text.replace(/\r?\n$/, ''), `${file} is empty`);
  }
  const fromEnvironment = process.env[variableOf(name)];
  if (fromEnvironment !== undefined) return notEmpty(fromEnvironment, `${variableOf(name)} is empty`);
  if (process.stdin.isTTY) return ask(need);
  throw new UsageError(
    `No password for the ${label}: give --${name}-password-file FILE, set ${variableOf(name)}, or run this in a terminal.`,
  );
}

async function ask({ label, isNew }: PasswordNeed): Promise<string> {
  const prompt = (text: string): Promise<string> => read({ prompt: text, silent: true, output: process.stderr });
  const password = notEmpty(await prompt(`Password of the ${label}: `), 'none was typed');
  if (isNew && (await prompt('The same once more: ')) !== password) {
    throw new UsageError('The two passwords differ: nothing was done.');
  }
  return password;
}

function variableOf(name: string): string {
  return `${name.toUpperCase()}_PASSWORD`;
}

function notEmpty(password: string, problem: string): string {
  if (password === '') throw new UsageError(`The password must not be empty: ${problem}.`);
  return password;
}
