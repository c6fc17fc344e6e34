import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { DeviceAgentError, textOf } from '../errors.ts';
import { describeProblems } from './config-problems.ts';

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
  throw configError(`${file} can't be used:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
}

export function configError(message: string, cause?: unknown): DeviceAgentError {
  return new DeviceAgentError('ERR_AGENT_CONFIG', message, cause === undefined ? {} : { cause });
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw configError(
      `Can't read the configuration ${file}: ${textOf(cause)}. Check the path and its permissions.`,
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
    throw configError(`${file} isn't JSON (${reason}). Mend it, or give another file as --config.`);
  }
}

function configSchema(folder: string) {
  const path = z.string().transform((name) => resolve(folder, name));
  // A secret is never in the file itself: it is in a file of its own, or in an environment variable.
  const secret = { passwordFile: path.exactOptional(), passwordVariable: z.string().exactOptional() };
  const port = z.int().min(0).max(65_535);
  return z.strictObject({
    identity: z.union([
      z.strictObject({ pfxFile: path, ...secret }),
      z.strictObject({ chainFile: path, keyFile: path, ...secret }),
    ]),
    connectTo: z.union([
      z.strictObject({ idScope: z.string(), endpoint: z.string().exactOptional() }),
      z.strictObject({ hostName: z.string(), deviceId: z.string() }),
    ]),
    stateFolder: path,
    transport: z.enum(['auto', 'mqtt', 'mqtt-websocket']).default('auto'),
    proxy: z
      .strictObject({
        url: z
          .url({ protocol: /^https?$/, error: 'http://host:port or https://host:port' })
          .refine((url) => !/\/\/[^/]*@/.test(url), {
            error: 'a URL without user and password: they go to "user" and to a password file or variable',
          }),
        user: z.string().exactOptional(),
        ...secret,
        noProxy: z.string().exactOptional(),
        trustedRootsFile: path.exactOptional(),
      })
      .exactOptional(),
    trustedRootsFile: path.exactOptional(),
    outbox: z
      .strictObject({
        maxBytes: z.int().min(1_000).exactOptional(),
        maxAgeHours: z.number().min(0.01).exactOptional(),
        whenFull: z.enum(['drop-oldest', 'drop-newest', 'drop-lowest-priority']).exactOptional(),
        compressAboveBytes: z.int().min(0).exactOptional(),
      })
      .prefault({}),
    application: path.exactOptional(),
    stopSeconds: z.number().min(0).max(3_600).default(5),
    health: z
      .strictObject({
        file: path.exactOptional(),
        everySeconds: z.number().min(1).max(3_600).default(10),
        host: z.string().default('127.0.0.1'),
        port: port.exactOptional(),
      })
      .prefault({}),
    log: z
      .strictObject({
        level: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
        file: path.exactOptional(),
        maxBytes: z.int().min(1_000).default(1_000_000),
        files: z.int().min(2).max(100).default(5),
      })
      .prefault({}),
    tracing: z.boolean().default(false),
  });
}
