import { once } from 'node:events';
import { basename, dirname } from 'node:path';
import { pino } from 'pino';
import { createStream, type RotatingFileStream } from 'rotating-file-stream';
import type { ServiceConfig } from './config.ts';
import type { LogLine } from './log-line.ts';
import type { Redact } from './redaction.ts';

/** Lines of JSON on standard output, and in a rolling file where one is configured. */
export interface ServiceLog {
  write(line: LogLine): void;
  /** Resolves when everything is in the file. */
  close(): Promise<void>;
}

export interface ServiceLogOptions {
  readonly config: ServiceConfig['log'];
  /** In every line, such as the registration ID. */
  readonly base: Readonly<Record<string, unknown>>;
  /** The last thing that sees a line, so that nothing gets around it. */
  readonly redact: Redact;
  readonly stdout: { write(text: string): unknown };
}

export function openLog({ config, base, redact, stdout }: ServiceLogOptions): ServiceLog {
  const file = config.file === undefined ? undefined : rollingFile(config.file, config);
  // A file that can't be written must not end the device's work: standard output says it, and has all lines too.
  file?.on('error', (error) => logger.error({ cause: { message: error.message } }, 'the log file failed'));
  const logger = pino(
    {
      level: config.level,
      base,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      hooks: { streamWrite: redact },
    },
    pino.multistream([stdout, ...(file ? [file] : [])].map((stream) => ({ stream, level: config.level }))),
  );
  return {
    write: ({ level, message, fields }) => logger[level](fields, message),
    close: async () => {
      if (!file || file.destroyed) return;
      file.end();
      await Promise.race([once(file, 'close'), once(file, 'error')]);
    },
  };
}

/** `agent.log`, and of the earlier ones `agent.log.1` (the newest) up to the configured number; mode 0600. */
export function logFileNames(file: string, files: number): string[] {
  return [file, ...Array.from({ length: files - 1 }, (_, index) => `${file}.${index + 1}`)];
}

function rollingFile(file: string, { maxBytes, files }: ServiceConfig['log']): RotatingFileStream {
  return createStream(basename(file), { path: dirname(file), mode: 0o600, size: `${maxBytes}B`, rotate: files - 1 });
}
