import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { AzureUnderChaos } from './azure-under-chaos.ts';
import type { DeviceUnderChaos } from './device-under-chaos.ts';
import { readJournal } from './journal.ts';

/** What a twin's section is compared by. */
type Properties = Readonly<Record<string, unknown>>;

/** Sends messages to devices and changes their twins, and remembers what the hub has answered for. */
export class BackOffice {
  /** Message IDs that are on the hub's disk, by device. */
  readonly #sent = new Map<string, string[]>();
  readonly #azure: AzureUnderChaos;
  readonly #devices: readonly DeviceUnderChaos[];
  readonly #random: () => number;
  #lastChange = 0;

  constructor(azure: AzureUnderChaos, devices: readonly DeviceUnderChaos[], random: () => number) {
    this.#azure = azure;
    this.#devices = devices;
    this.#random = random;
  }

  get changes(): number {
    return this.#lastChange;
  }

  get messages(): number {
    return [...this.#sent.values()].reduce((sum, { length }) => sum + length, 0);
  }

  async work(isOpen: () => boolean): Promise<void> {
    while (isOpen()) {
      // The emulator may be gone, or the device's queue full: then nothing was promised.
      await this.#sendMessage().catch(() => undefined);
      await this.#changeTwin().catch(() => undefined);
      await this.#azure.collect().catch(() => undefined);
      await pause(50 + this.#random() * 100);
    }
  }

  /** Message IDs that a device was to act upon, and those that it did, as often as it did. */
  messagesOf(device: DeviceUnderChaos): { readonly sent: readonly string[]; readonly applied: readonly string[] } {
    const { registrationId } = device.options;
    return { sent: this.#sent.get(registrationId) ?? [], applied: journalOf(device, 'messages') };
  }

  /** Names of desired properties that a device doesn't see as the hub has them. */
  async missedBy(device: DeviceUnderChaos): Promise<string[]> {
    const { registrationId: deviceId } = device.options;
    const { desired = {} } = (await this.#azure.ask({ do: 'twin', deviceId })) as { desired?: Properties };
    const seen: Record<string, unknown> = {};
    for (const line of journalOf(device, 'desired')) {
      Object.assign(seen, (JSON.parse(line) as { properties: Properties }).properties);
    }
    return Object.keys(desired).filter((name) => !name.startsWith('$') && desired[name] !== seen[name]);
  }

  /** Changes that a device was handed more than once: by a kill between its work and the agent's note of it. */
  repeatedBy(device: DeviceUnderChaos): string[] {
    const changes = journalOf(device, 'desired').flatMap((line) =>
      Object.entries((JSON.parse(line) as { properties: Properties }).properties).map(
        ([name, value]) => `${name}: ${JSON.stringify(value)}`,
      ),
    );
    return changes.filter((change, index) => changes.indexOf(change) !== index);
  }

  /** Whether every message and every change has been acted upon. */
  async isDone(): Promise<boolean> {
    for (const device of this.#devices) {
      const { sent, applied } = this.messagesOf(device);
      if (sent.some((messageId) => !applied.includes(messageId))) return false;
      if ((await this.missedBy(device)).length > 0) return false;
    }
    return true;
  }

  async #sendMessage(): Promise<void> {
    const deviceId = this.#anyone();
    const sent = this.#sent.get(deviceId) ?? [];
    this.#sent.set(deviceId, sent);
    const messageId = `${deviceId}-${sent.length}-${Math.floor(this.#random() * 1e9)}`;
    await this.#azure.ask({ do: 'message', deviceId, messageId });
    sent.push(messageId);
  }

  async #changeTwin(): Promise<void> {
    this.#lastChange += 1;
    const name = `setting${Math.floor(this.#random() * 5)}`;
    await this.#azure.ask({ do: 'desired', deviceId: this.#anyone(), desired: { [name]: this.#lastChange } });
  }

  #anyone(): string {
    return this.#devices[Math.floor(this.#random() * this.#devices.length)]?.options.registrationId ?? '';
  }
}

function journalOf({ options }: DeviceUnderChaos, name: string): string[] {
  return readJournal(join(options.journalFolder, `${options.registrationId}.${name}`));
}
