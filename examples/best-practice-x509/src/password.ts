import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { read } from 'read';
import { UsageError } from './usage-error.ts';

/** Where a password may come from; looked at in this order: file, option, environment, terminal. */
export interface PasswordSource {
  /** What it opens, for the prompt and for errors: `root certificate`. */
  readonly label: string;
  /** The option's name without dashes, such as `root-cert-password`; `ROOT_CERT_PASSWORD` is its variable. */
  readonly option: string;
  readonly value: string | undefined;
  readonly file: string | undefined;
}

/** Adds `--{name}`, `--{name}-file`, and a word on the other ways. */
export function addPasswordOptions(command: Command, name: string, what: string): Command {
  return command
    .option(`--${name}-file <file>`, `file with the password ${what}`)
    .option(`--${name} <password>`, `the password itself; other users of this machine can see it`)
    .addHelpText('after', `\nThe password: --${name}-file, the variable ${variableOf(name)}, or the prompt.`);
}

/** Reads a password; never shows it. */
export async function readPassword(
  { label, option, value, file }: PasswordSource,
  warn: (text: string) => void,
): Promise<string> {
  const variable = variableOf(option);
  if (file !== undefined) {
    const text = await readFile(file, 'utf8').catch((cause: unknown) => {
      throw new UsageError(`Can't read the password file ${file} given as --${option}-file.`, { cause });
    });
    return notEmpty(text.replace(/\r?\n$/, ''), `${file} is empty`);
  }
  if (value !== undefined) {
    warn(`--${option} can be seen by every user of this machine; use --${option}-file, ${variable}, or the prompt.`);
    return notEmpty(value, `--${option} is empty`);
  }
  const fromEnvironment = process.env[variable];
  if (fromEnvironment !== undefined) return notEmpty(fromEnvironment, `${variable} is empty`);
  if (!process.stdin.isTTY) {
    throw new UsageError(
      `No password for the ${label}: give --${option}-file FILE, set ${variable}, or run this in a terminal.`,
    );
  }
  return notEmpty(
    await read({ prompt: `Password of the ${label}: `, silent: true, output: process.stderr }),
    'none was typed',
  );
}

/** A password that nobody has to remember. */
export function randomPassword(): string {
  return randomBytes(18).toString('base64url');
}

function variableOf(option: string): string {
  return option.toUpperCase().replaceAll('-', '_');
}

function notEmpty(password: string, problem: string): string {
  if (password === '') throw new UsageError(`The password must not be empty: ${problem}.`);
  return password;
}
