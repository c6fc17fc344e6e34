import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import type { IncomingMessage } from 'node:http';
import { readCloudFile } from '../cloud-file.ts';
import { EmulatorError } from '../errors.ts';
import { isJsonObject, type JsonObject } from '../hub/json.ts';

/** A request of the emulator's own interface. */
export interface ControlRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** For example `/emulator/clock`. */
  readonly path: string;
  readonly body?: unknown;
}

/**
 * Asks the running emulator that a cloud file names.
 *
 * @returns the answer; an empty object where there is none
 * @throws {EmulatorError} ERR_EMULATOR_CLOUD_FILE, ERR_EMULATOR_REQUEST
 */
export async function askEmulator(cloudFile: string, { method, path, body }: ControlRequest): Promise<JsonObject> {
  const { ports, trustedRootsPem, servicePrincipal } = await readCloudFile(cloudFile);
  const { clientId, clientSecret } = servicePrincipal;
  const authorization = `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`;
  const options = {
    host: ports.address ?? '127.0.0.1',
    servername: 'localhost',
    port: ports.https,
    ca: trustedRootsPem,
    method,
    path,
    headers: { host: `localhost:${ports.https}`, authorization },
    agent: false,
  };
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const sent = request(options, resolve);
    sent.on('error', (cause) =>
      reject(
        new EmulatorError(
          'ERR_EMULATOR_REQUEST',
          `No emulator answers on port ${ports.https}, which ${cloudFile} names (${cause.message}); start it first.`,
          { cause },
        ),
      ),
    );
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
  const answer = await text(response);
  const json = answer === '' ? {} : (JSON.parse(answer) as unknown);
  const found = isJsonObject(json) ? json : {};
  if ((response.statusCode ?? 500) < 300) return found;
  const { message } = isJsonObject(found['error']) ? found['error'] : {};
  throw new EmulatorError(
    'ERR_EMULATOR_REQUEST',
    typeof message === 'string' ? message : `The emulator answered ${answer}`,
  );
}
