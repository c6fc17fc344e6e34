import { isIP } from 'node:net';
import { type ClockState, VirtualClock } from './clock/virtual-clock.ts';
import { describeCloud, type EmulatorCloud } from './cloud.ts';
import { type EmulatorIdentity, openIdentity } from './data/emulator-identity.ts';
import type { Shelf } from './data/shelf.ts';
import type { Store } from './data/store.ts';
import { type Doors, openDoors } from './doors.ts';
import { EmulatorError } from './errors.ts';
import { FaultRegistry } from './faults/fault-registry.ts';
import { ServerCertificates } from './faults/server-certificates.ts';
import type { StartAzureIotOptions } from './start.ts';

/** What stays while states of the emulator come and go. */
export interface Ground {
  readonly store: Store;
  readonly identity: EmulatorIdentity;
  readonly cloud: EmulatorCloud;
  readonly clock: VirtualClock;
  readonly faults: FaultRegistry;
  readonly doors: Doors;
  readonly log: (line: string) => void;
  readonly committed: () => Promise<void> | undefined;
}

interface Ports {
  readonly mqtt: number;
  readonly https: number;
}

/**
 * Clock, identity and open ports, as the store has kept them.
 *
 * @throws {EmulatorError} ERR_EMULATOR_PORT_TAKEN, ERR_EMULATOR_PORT_REFUSED, ERR_EMULATOR_DATA
 */
export async function layGround(store: Store, options: StartAzureIotOptions): Promise<Ground> {
  const { log = () => undefined, keepAliveFollowsClock = false, host } = options;
  const shelf = store.shelf('emulator');
  const clock = openClock(shelf, options);
  const identity = await openIdentity(shelf, clock.now);
  const faults = new FaultRegistry();
  const certificates = new ServerCertificates({ usual: identity.server, faults, now: clock.now });
  const committed = (): Promise<void> | undefined => store.committed();
  const keptPorts = shelf.map<Ports>('ports');
  const ports = choosePorts(keptPorts.get('ports'), options);
  const doors = await openDoors({
    mqttPort: ports.mqtt,
    httpsPort: ports.https,
    ...(host !== undefined && { host }),
    identity: identity.server,
    identityFor: (name) => certificates.identityFor(name),
    committed,
    log,
    trace: options.trace,
    ...(keepAliveFollowsClock && { now: clock.now, startTimer: clock.startTimer }),
  });
  const { mqttPort, httpsPort } = doors;
  keptPorts.set('ports', { mqtt: mqttPort, https: httpsPort });
  const cloud = describeCloud({
    mqttPort,
    httpsPort,
    address: reachedAt(host),
    names: options.names ?? 'local',
    trustedRootsPem: identity.server.rootPem,
    subscriptionId: identity.subscriptionId,
    servicePrincipal: identity.servicePrincipal,
  });
  return { store, identity, cloud, clock, faults, doors, log, committed };
}

function openClock(shelf: Shelf, { now, time }: StartAzureIotOptions): VirtualClock {
  const state = shelf.value<ClockState>('clock', () => ({ offsetMs: 0, frozenAtMs: undefined }));
  const clock = new VirtualClock({ ...(now && { now }), state });
  if (time !== undefined) clock.set(time);
  return clock;
}

/** Where programs of this machine reach it; undefined for 127.0.0.1. */
function reachedAt(host: string | undefined): string | undefined {
  const isUsual = host === undefined || isIP(host) === 0 || ['127.0.0.1', '0.0.0.0', '::'].includes(host);
  return isUsual ? undefined : host;
}

/** Host names carry the ports: what was assigned under one would not be found under another. */
function choosePorts(kept: Ports | undefined, { mqttPort, httpsPort, defaultPorts }: StartAzureIotOptions): Ports {
  if (kept === undefined) {
    return { mqtt: mqttPort ?? defaultPorts?.mqtt ?? 0, https: httpsPort ?? defaultPorts?.https ?? 0 };
  }
  // 0 asks for any port, and the folder has one.
  const asked = { mqtt: mqttPort || kept.mqtt, https: httpsPort || kept.https };
  if (asked.mqtt === kept.mqtt && asked.https === kept.https) return kept;
  throw new EmulatorError(
    'ERR_EMULATOR_DATA',
    `The data folder's host names carry the ports ${kept.mqtt} (MQTT) and ${kept.https} (HTTPS), asked for are ` +
      `${asked.mqtt} and ${asked.https}. Leave the ports out, or choose another folder.`,
  );
}
