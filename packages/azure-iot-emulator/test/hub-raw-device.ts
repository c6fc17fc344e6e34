import { createCertificate, type TestCertificate, withChain } from './hub-certificates.ts';
import type { HubTestBed } from './hub-test-bed.ts';
import type { RawClient } from './mqtt-raw-client.ts';

/** A device that speaks raw MQTT, known to the hub by its thumbprint. */
export class RawDevice {
  readonly deviceId: string;
  readonly #bed: HubTestBed;
  readonly #certificate: TestCertificate;
  #client: RawClient | undefined;

  private constructor(bed: HubTestBed, certificate: TestCertificate) {
    this.deviceId = certificate.commonName;
    this.#bed = bed;
    this.#certificate = certificate;
  }

  /** Makes the certificate and tells the hub. The certificate's time is 2025-12 to 2026-02, that of the fake clock. */
  static async register(bed: HubTestBed, deviceId: string): Promise<RawDevice> {
    const certificate = await createCertificate(deviceId, {
      notBefore: new Date('2025-12-01'),
      notAfter: new Date('2026-02-01'),
    });
    const { thumbprintSha256: primary } = certificate;
    bed.hub.provision({ deviceId, thumbprints: { primary, secondary: primary } });
    return new RawDevice(bed, certificate);
  }

  /** A new connection; keep-alive is off so that tests may let hours pass. */
  async connect({ clean = false }: { readonly clean?: boolean } = {}): Promise<RawClient> {
    const client = await this.#bed.rawClient(withChain(this.#certificate));
    const { returnCode } = await client.connect({
      clientId: this.deviceId,
      username: this.#bed.username(this.deviceId),
      clean,
      keepalive: 0,
    });
    if (returnCode !== 0) throw new Error(`refused with ${returnCode}`);
    this.#client = client;
    return client;
  }

  /** Publishes with QoS 0. */
  send(topic: string, payload = ''): void {
    this.#client?.send({ cmd: 'publish', topic, payload, qos: 0, dup: false, retain: false });
  }

  /** Cuts the connection and waits until the hub has noticed. */
  async cut(): Promise<void> {
    const gone = this.#bed.hub.waitForDisconnection(this.deviceId, { timeoutMs: 10_000 });
    this.#client?.destroy();
    await gone;
  }
}
