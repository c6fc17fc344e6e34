import { resolve } from 'node:path';
import { z } from 'zod';
import { idScopePattern } from '../agent/reprovision-command.ts';
import { parseServerAddress } from '../network/server-address.ts';

/**
 * The keys of the configuration, their rules and their defaults. What an agent has a default for has none here.
 *
 * @param folder - what relative paths are relative to
 */
export function configSchema(folder: string) {
  const path = z.string().transform((name) => resolve(folder, name));
  return z
    .strictObject({
      ...connectionSchema(path),
      stateFolder: path,
      outbox: outboxSchema().prefault({}),
      renewal: renewalSchema(path).exactOptional(),
      fleet: z
        .strictObject({
          size: z.int().min(1),
          hubConnectionsPerSecond: z.number().min(1).exactOptional(),
          dpsRegistrationsPerMinute: z.number().min(1).exactOptional(),
          startWindowMs: z.int().min(0).exactOptional(),
        })
        .exactOptional(),
      reprovision: z
        .strictObject({ method: nameOrFalse().exactOptional(), desiredProperty: nameOrFalse().exactOptional() })
        .exactOptional(),
      onRefusal: z.enum(['retry-slowly', 'end']).exactOptional(),
      application: path.exactOptional(),
      stopSeconds: z.number().min(0).max(3_600).default(5),
      ...observationSchema(path),
    })
    .refine(({ connectTo, provisioningPayload }) => !provisioningPayload || 'idScope' in connectTo, {
      path: ['provisioningPayload'],
      error: 'none beside connectTo.hostName: there is no DPS to give it to',
    })
    .refine(({ identity, renewal }) => !renewal || !('pkcs11' in identity), {
      path: ['renewal'],
      error: 'none beside identity.pkcs11: only an application of your own (the library) makes new keys in a token',
    });
}

type PathSchema = z.ZodPipe<z.ZodString, z.ZodTransform<string, string>>;

/** A secret is never in the file itself: it is in a file of its own, or in an environment variable. */
const passwordKeys = (path: PathSchema) => ({
  passwordFile: path.exactOptional(),
  passwordVariable: z.string().exactOptional(),
});

const idScope = z.string().regex(idScopePattern, { error: 'an ID scope: 0ne and 8 hex digits' });

const host = z.string().refine(isHost, { error: 'a host name, with :port where it needs one, and no https://' });

function isHost(text: string): boolean {
  try {
    parseServerAddress(text, 1);
    return true;
  } catch {
    return false;
  }
}

function connectionSchema(path: PathSchema) {
  const pkcs11 = z.strictObject({
    uri: z
      .string()
      .regex(/^pkcs11:/, { error: 'a URI that begins with pkcs11: (RFC 7512)' })
      .refine((uri) => !/[?&;]pin-/.test(uri), { error: 'a URI without the PIN, which goes to a file or variable' }),
    modulePath: path.exactOptional(),
    pinFile: path.exactOptional(),
    pinVariable: z.string().exactOptional(),
  });
  const proxyUrl = z
    .url({ protocol: /^https?$/, error: 'http://host:port or https://host:port' })
    .refine((url) => !/\/\/[^/]*@/.test(url), {
      error: 'a URL without user and password: they go to "user" and to a password file or variable',
    });
  return {
    identity: z.union([
      z.strictObject({ pfxFile: path, ...passwordKeys(path) }),
      z.strictObject({ chainFile: path, keyFile: path, ...passwordKeys(path) }),
      z.strictObject({ chainFile: path, pkcs11 }),
    ]),
    connectTo: z.union([
      z.strictObject({ idScope, endpoint: host.exactOptional() }),
      z.strictObject({ hostName: host, deviceId: z.string().min(1) }),
    ]),
    provisioningPayload: z.record(z.string(), z.unknown()).exactOptional(),
    transport: z.enum(['auto', 'mqtt', 'mqtt-websocket']).default('auto'),
    proxy: z
      .strictObject({
        url: proxyUrl,
        user: z.string().exactOptional(),
        ...passwordKeys(path),
        noProxy: z.string().exactOptional(),
        trustedRootsFile: path.exactOptional(),
      })
      .exactOptional(),
    trustedRootsFile: path.exactOptional(),
    // IoT Hub takes no longer one: 29.45 minutes ("Communicate with an IoT hub using the MQTT protocol").
    keepAliveSeconds: z.int().min(1).max(1_767).exactOptional(),
  };
}

function outboxSchema() {
  return z.strictObject({
    maxBytes: z.int().min(1_000).exactOptional(),
    maxAgeHours: z.number().min(0.01).exactOptional(),
    whenFull: z.enum(['drop-oldest', 'drop-newest', 'drop-lowest-priority']).exactOptional(),
    compressAboveBytes: z.int().min(0).exactOptional(),
    batch: z
      .strictObject({
        maxMessages: z.int().min(1).exactOptional(),
        maxBytes: z.int().min(100).max(262_144).exactOptional(),
        delayMs: z.int().min(0).exactOptional(),
      })
      .exactOptional(),
  });
}

function renewalSchema(path: PathSchema) {
  return z.strictObject({
    est: z.strictObject({
      url: z
        .url({ protocol: /^https$/, error: 'https://host or https://host:port' })
        .refine((url) => !URL.canParse(url) || new URL(url).pathname === '/', {
          error: "https://host[:port] alone: the path is the standard's, and a label has a key of its own",
        }),
      label: z.string().min(1).exactOptional(),
      trustedRootsFile: path,
    }),
    onboardingOnly: z.boolean().exactOptional(),
    renewAtFraction: z.number().min(0.1).max(0.95).exactOptional(),
    keyAlgorithm: z.enum(['P-256', 'P-384', 'RSA-2048', 'RSA-3072', 'RSA-4096', 'as-before']).exactOptional(),
  });
}

const nameOrFalse = () =>
  z.custom<string | false>((value) => value === false || (typeof value === 'string' && value !== ''), {
    error: 'a name or false',
  });

function observationSchema(path: PathSchema) {
  return {
    health: z
      .strictObject({
        file: path.exactOptional(),
        everySeconds: z.number().min(1).max(3_600).default(10),
        host: z.string().default('127.0.0.1'),
        port: z.int().min(0).max(65_535).exactOptional(),
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
  };
}
