import pc from 'picocolors';

/** What a step made, by name. */
export type Facts = Readonly<Record<string, string | number | boolean | undefined>>;

/** Shows a command's steps as they happen. */
export interface Reporter {
  heading(text: string): void;
  /** Something that has been done, with what it made. */
  step(text: string, facts?: Facts): void;
  /** Something that is under way or worth knowing. */
  note(text: string): void;
  warn(text: string): void;
  /** The command's result: its last words. */
  result(summary: Readonly<Record<string, unknown>>): void;
}

/** Where text goes; `process.stdout` fits. */
export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

/** One JSON object a line: `{"step":...}`, `{"note":...}`, `{"warning":...}`, last `{"result":...}`. */
export function createJsonReporter(out: Output): Reporter {
  const line = (value: object): void => void out.write(`${JSON.stringify(value)}\n`);
  return {
    heading: (heading) => line({ heading }),
    step: (step, facts) => line({ step, ...facts }),
    note: (note) => line({ note }),
    warn: (warning) => line({ warning }),
    result: (result) => line({ result }),
  };
}

/** Text for people; colours only on a terminal. */
export function createTextReporter(out: Output): Reporter {
  const { bold, dim, green, yellow } = pc.createColors(out.isTTY === true && process.env['NO_COLOR'] === undefined);
  const line = (text: string): void => void out.write(`${text}\n`);
  const table = (facts: Readonly<Record<string, unknown>>, indent: string): void => {
    const known = Object.entries(facts).filter(([, value]) => value !== undefined);
    const width = Math.max(0, ...known.map(([name]) => name.length));
    for (const [name, value] of known) line(`${indent}${dim(name.padEnd(width))}  ${String(value)}`);
  };
  return {
    heading: (text) => line(`\n${bold(text)}`),
    step: (text, facts = {}) => {
      line(`${green('✔')} ${text}`);
      table(facts, '    ');
    },
    note: (text) => line(`  ${dim(text)}`),
    warn: (text) => line(`${yellow('!')} ${text}`),
    result: (summary) => {
      line(`\n${bold('Result')}`);
      table(summary, '  ');
    },
  };
}
