import pc from 'picocolors';
import { redactSecrets, type Redact } from '../service/redaction.ts';

/** Where text goes; `process.stdout` fits. */
export interface Stream {
  write(text: string): boolean;
  readonly isTTY?: boolean;
}

/** What a command shows, to people or to programs; never a secret that the configuration has given it. */
export interface Output {
  readonly json: boolean;
  /** From now on these texts are kept out too. */
  hide(secrets: readonly string[]): void;
  /** Text as it is. */
  raw(text: string): void;
  /** The command's last words: with `--json` a line `{"result":{...}}`. */
  result(summary: Readonly<Record<string, unknown>>): void;
  error(code: string | undefined, message: string): void;
}

/** With `json`, one JSON object a line on standard output; people get their errors on standard error. */
export function createOutput(options: { json: boolean; stdout: Stream; stderr: Stream }): Output {
  const { json, stdout, stderr } = options;
  const { bold, dim, red } = pc.createColors(stdout.isTTY === true && process.env['NO_COLOR'] === undefined);
  let redact: Redact = redactSecrets([]);
  const line = (stream: Stream, text: string): void => void stream.write(`${redact(text)}\n`);
  return {
    json,
    hide: (secrets) => {
      redact = redactSecrets(secrets);
    },
    raw: (text) => void stdout.write(redact(text)),
    result(summary) {
      if (json) {
        line(stdout, JSON.stringify({ result: summary }));
        return;
      }
      const known = Object.entries(summary).filter(([, value]) => value !== undefined);
      const width = Math.max(0, ...known.map(([name]) => name.length));
      for (const [name, value] of known) line(stdout, `${dim(name.padEnd(width))}  ${bold(toText(value))}`);
    },
    error(code, message) {
      if (json) line(stdout, JSON.stringify({ error: { code, message } }));
      else
        line(
          stderr,
          `${stderr.isTTY === true ? red('Error') : 'Error'}${code === undefined ? '' : ` ${code}`}: ${message}`,
        );
    },
  };
}

function toText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
