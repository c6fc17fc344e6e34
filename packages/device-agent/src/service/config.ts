import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { z } from 'zod';
import { DeviceAgentError, textOf } from '../errors.ts';
import { describeProblems } from './config-problems.ts';
import { configSchema } from './config-schema.ts';

/** What `contoso-device` reads from its file: checked, with defaults filled in and every path absolute. */
export type ServiceConfig = z.output<ReturnType<typeof configSchema>>;

/**
 * Reads the configuration; relative paths in it are relative to its folder.
 *
 * @throws {DeviceAgentError} ERR_AGENT_CONFIG: every problem on a line of its own, with key, what was expected and found
 */
export async function readConfig(path: string): Promise<ServiceConfig> {
  const file = resolve(path);
  const input = parse(file, await readText(file));
  const schema = configSchema(dirname(file));
  const { success, data, error } = schema.safeParse(input);
  if (success) return data;
  const problems = describeProblems(schema, input, error.issues);
  const list = problems.map((problem) => `  ${problem}`).join('\n');
  throw configError(`${file} can't be used:\n${list}\n`, 'Mend each of them.');
}

/** @param advice - what to do next, in a sentence */
export function configError(message: string, advice: string, cause?: unknown): DeviceAgentError {
  return new DeviceAgentError('ERR_AGENT_CONFIG', message, { advice, ...(cause !== undefined && { cause }) });
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw configError(
      `Can't read the configuration ${file}: ${textOf(cause)}.`,
      'Check the path and its permissions.',
      cause,
    );
  }
}

function parse(file: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    // The rest of the message quotes the file, which may be the wrong one, such as a password's.
    const [reason] = textOf(cause).split(/, (?:\.\.\.)?"| in JSON/);
    throw configError(`${file} isn't JSON (${reason}).`, 'Mend it, or give another file as --config.');
  }
}
