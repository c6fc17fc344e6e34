import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { sealDeviceBundle } from '../device-bundle.ts';
import { writeFileSet } from '../file-set.ts';
import type { CertificateRecord } from '../inventory/index.ts';
import type { IssuedCredential, IssuedDevice } from '../mass/issued-device.ts';
import type { DeviceReceiver } from '../mass/mass-order.ts';

/** A receiver that also says what it has written. */
export interface FileReceiver<Device extends IssuedDevice> extends DeviceReceiver<Device> {
  readonly files: number;
}

/** Each batch becomes a bundle that the receiving station alone can open. */
export function bundleReceiver(folder: string, recipientCertificatePem: string): FileReceiver<IssuedCredential> {
  return new BatchFiles(folder, 'bundle.p7m', (devices) => sealDeviceBundle({ devices, recipientCertificatePem }));
}

/** Each batch becomes a file with a JSON object a line: what the inventory has of the device, and its chain as PEM. */
export function certificateReceiver(folder: string): FileReceiver<IssuedDevice> {
  return new BatchFiles<IssuedDevice>(folder, 'certificates.ndjson', (devices) =>
    Promise.resolve(Buffer.from(devices.map(toLine).join(''))),
  );
}

/**
 * A file for each batch, named `{first device}.{its serial number}.{devices}.{ending}`. It is there as a whole or not at all,
 * and its name says which devices of the inventory, one behind the other, are in it.
 */
class BatchFiles<Device extends IssuedDevice> implements FileReceiver<Device> {
  files = 0;
  readonly #folder: string;
  readonly #ending: string;
  readonly #encode: (devices: readonly Device[]) => Promise<Uint8Array>;

  constructor(folder: string, ending: string, encode: (devices: readonly Device[]) => Promise<Uint8Array>) {
    this.#folder = folder;
    this.#ending = ending;
    this.#encode = encode;
  }

  async take(devices: readonly Device[]): Promise<void> {
    const [first] = devices;
    if (!first) return;
    const name = `${first.registrationId}.${first.serialNumber}.${devices.length}.${this.#ending}`;
    const data = await this.#encode(devices);
    await writeFileSet([{ path: join(this.#folder, name), data, access: 'public' }], false);
    this.files += 1;
  }

  async has(undelivered: readonly CertificateRecord[]): Promise<ReadonlySet<string>> {
    const names = await readdir(this.#folder).catch(() => []);
    const counts = new Map<string, number>();
    for (const name of names) {
      const [, serialNumber, count] = /\.([0-9a-f]{40})\.(\d+)\.[a-z]+\.[a-z0-9]+$/.exec(name) ?? [];
      if (serialNumber !== undefined && name.endsWith(this.#ending)) counts.set(serialNumber, Number(count));
    }
    // A batch was written to the inventory in one piece, so its devices have neighbouring ids.
    const ranges = undelivered.flatMap(({ id, serialNumber }) => {
      const count = counts.get(serialNumber);
      return count === undefined ? [] : [{ first: id, end: id + count }];
    });
    const there = undelivered.filter(({ id }) => ranges.some(({ first, end }) => id >= first && id < end));
    return new Set(there.map(({ serialNumber }) => serialNumber));
  }
}

function toLine(device: IssuedDevice): string {
  const { registrationId, serialNumber, thumbprintSha1, thumbprintSha256, notBefore, notAfter, chainPem } = device;
  return `${JSON.stringify({ registrationId, serialNumber, thumbprintSha1, thumbprintSha256, notBefore, notAfter, chainPem })}\n`;
}
