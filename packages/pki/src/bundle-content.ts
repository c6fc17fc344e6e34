import { PkiError } from './errors.ts';

/** One device in a bundle. Holds its key in the clear: don't log it. */
export interface BundledDevice {
  registrationId: string;
  /** Device, line authority, and so on up to the root. */
  chainPem: string;
  /** Unencrypted PKCS#8. */
  privateKeyPem: string;
}

/** Of the content, in bytes; about 30,000 devices. It is held in memory several times over while it is sealed or opened. */
export const maxContentLength = 64 * 2 ** 20;

const format = 'contoso-device-bundle/1';

/**
 * The content of a bundle: lines of JSON (UTF-8, each ending in a newline). First `{"format":"contoso-device-bundle/1",
 * "devices":<count>}`, then one line a device with `registrationId`, `chainPem` and `privateKeyPem`.
 *
 * @returns for the caller to wipe
 * @throws {PkiError} ERR_PKI_BUNDLE_SIZE: no device, more than fit, or one device twice
 */
export function encodeBundle(devices: readonly BundledDevice[]): Buffer {
  checkSize(devices);
  const lines = [{ format, devices: devices.length }, ...devices.map(onlyBundled)].map((line) =>
    Buffer.from(`${JSON.stringify(line)}\n`, 'utf8'),
  );
  const content = Buffer.concat(lines);
  for (const line of lines) line.fill(0);
  if (content.length <= maxContentLength) return content;
  content.fill(0);
  throw new PkiError(
    'ERR_PKI_BUNDLE_SIZE',
    `${devices.length} devices make a bundle of more than ${maxContentLength / 2 ** 20} MiB: share them out over several bundles.`,
  );
}

/** @throws {PkiError} ERR_PKI_BUNDLE_UNREADABLE; no part of the content is in its message */
export function decodeBundle(content: Buffer): BundledDevice[] {
  try {
    const [head, ...lines] = content.toString('utf8').trimEnd().split('\n').map(parseLine);
    const devices = lines.map(onlyBundled);
    if (head?.format !== format || head.devices !== devices.length) throw new TypeError('another head line');
    checkSize(devices);
    return devices;
  } catch {
    // What JSON.parse complains of would show a piece of a key.
    throw new PkiError(
      'ERR_PKI_BUNDLE_UNREADABLE',
      `The content of the bundle is not of the format "${format}": have it sealed by this package, of the same version.`,
    );
  }
}

function parseLine(line: string): Record<string, unknown> {
  const parsed: unknown = JSON.parse(line);
  if (typeof parsed !== 'object' || parsed === null) throw new TypeError('no object');
  return parsed as Record<string, unknown>;
}

function onlyBundled(device: { [Name in keyof BundledDevice]?: unknown }): BundledDevice {
  const { registrationId, chainPem, privateKeyPem } = device;
  if (typeof registrationId !== 'string' || typeof chainPem !== 'string' || typeof privateKeyPem !== 'string') {
    throw new TypeError('A device in a bundle has a registrationId, a chainPem and a privateKeyPem.');
  }
  return { registrationId, chainPem, privateKeyPem };
}

function checkSize(devices: readonly BundledDevice[]): void {
  const ids = new Set(devices.map(({ registrationId }) => registrationId));
  if (ids.size > 0 && ids.size === devices.length) return;
  throw new PkiError(
    'ERR_PKI_BUNDLE_SIZE',
    ids.size === 0
      ? 'A bundle has at least one device: give some.'
      : `A bundle has each device once, and here ${devices.length - ids.size} are repeated: take them out.`,
  );
}
