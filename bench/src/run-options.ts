import { parseArgs } from 'node:util';

/** What a long run is told on the command line, all of it numbers but for `--json`. */
export type RunOptions<Name extends string> = Readonly<Record<Name, number>> & {
  readonly isJson: boolean;
  /** To standard error, with the time. */
  readonly progress: (text: string) => void;
};

/** @returns undefined where there is nothing to run: help was asked for, or an argument is wrong (exit code 2) */
export function readRunOptions<Name extends string>(
  usage: string,
  defaults: Readonly<Record<Name, number>>,
): RunOptions<Name> | undefined {
  try {
    const names = Object.keys(defaults) as Name[];
    const { values } = parseArgs({
      options: {
        help: { type: 'boolean' },
        json: { type: 'boolean' },
        ...Object.fromEntries(names.map((name) => [name, { type: 'string' }] as const)),
      },
    });
    if (values.help) {
      process.stdout.write(usage);
      return undefined;
    }
    const texts = values as Readonly<Record<string, string | undefined>>;
    const numbers = names.map((name) => [name, numberOf(name, texts[name], defaults[name])] as const);
    const progress = (text: string): void =>
      void process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);
    return {
      ...(Object.fromEntries(numbers) as Record<Name, number>),
      isJson: values.json === true,
      progress,
    };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
    process.exitCode = 2;
    return undefined;
  }
}

function numberOf(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const number = Number(text);
  if (!(number > 0)) throw new Error(`--${name} should be a number above 0, found '${text}'`);
  return number;
}
