import { once } from 'node:events';
import pc from 'picocolors';

/** Where text goes; `process.stdout` fits. */
export interface Stream {
  write(text: string): boolean;
  readonly isTTY?: boolean;
}

/** What a command shows, to people or to programs. */
export interface Output {
  readonly json: boolean;
  /** One of many rows: with `--json` one line of JSON under this name. Waits where the reader is slower. */
  row(name: string, value: object, text: string): Promise<void>;
  /** Text as it is: an export. Waits as `row` does. */
  raw(text: string): Promise<void>;
  /** The command's last words: with `--json` a line `{"result":{...}}`. */
  result(summary: Readonly<Record<string, unknown>>): void;
  /** Worth knowing, and not part of the result. */
  warn(text: string): void;
}

/** With `json`, one JSON object a line on standard output, the result last; warnings are on standard error either way. */
export function createOutput(options: { json: boolean; stdout: Stream; stderr: Stream }): Output {
  const { json, stdout, stderr } = options;
  const { bold, dim, yellow } = pc.createColors(stdout.isTTY === true && process.env['NO_COLOR'] === undefined);
  const write = async (text: string): Promise<void> => {
    if (!stdout.write(text) && stdout === process.stdout) await once(process.stdout, 'drain');
  };
  return {
    json,
    row: (name, value, text) => write(`${json ? JSON.stringify({ [name]: value }) : text}\n`),
    raw: write,
    result(summary) {
      if (json) {
        stdout.write(`${JSON.stringify({ result: summary })}\n`);
        return;
      }
      const known = Object.entries(summary).filter(([, value]) => value !== undefined);
      const width = Math.max(0, ...known.map(([name]) => name.length));
      for (const [name, value] of known) stdout.write(`${dim(name.padEnd(width))}  ${bold(toText(value))}\n`);
    },
    warn: (text) => void stderr.write(`${yellow('!')} ${text}\n`),
  };
}

function toText(value: unknown): string {
  if (value instanceof Date) return value.toISOString();
  return typeof value === 'string' ? value : JSON.stringify(value);
}
