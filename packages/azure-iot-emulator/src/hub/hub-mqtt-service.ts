import type { ConnectRefusal, MqttClient, MqttConnect, MqttService, MqttSession } from '../mqtt/service.ts';
import { defaultHubAssumptions, type HubAssumptions } from './hub-assumptions.ts';
import type { HubDirectory } from './hub-directory.ts';

/** User name of a CONNECT packet: `{host}/{deviceId}[/{moduleId}]/?api-version=...`. */
interface HubUsername {
  readonly hostName: string;
  readonly deviceId: string;
  readonly moduleId: string | undefined;
}

/** Options of {@link HubMqttService}. */
export interface HubMqttServiceOptions {
  readonly hubs: HubDirectory;
  readonly assumptions?: HubAssumptions;
}

/** The device plane of all hubs. Who is refused gets CONNACK 5, or 4 where the user name itself makes no sense. */
export class HubMqttService implements MqttService {
  readonly #hubs: HubDirectory;
  readonly #malformedUserName: ConnectRefusal;

  constructor({ hubs, assumptions = defaultHubAssumptions }: HubMqttServiceOptions) {
    this.#hubs = hubs;
    this.#malformedUserName = assumptions.malformedUserName;
  }

  /** A host name in front is what tells a hub's user names from those of DPS, which start with an ID scope. */
  accepts(username: string): boolean {
    return /^[^/]+\.[^/]+\//.test(username);
  }

  async connect(
    connect: MqttConnect,
    client: MqttClient,
  ): Promise<MqttSession | { readonly refusal: ConnectRefusal; readonly reason: string }> {
    const { clientId, username } = connect;
    const parsed = parseUsername(username);
    if (!parsed) {
      const reason = `user name '${username}' is not {host}/{deviceId}[/{moduleId}]/?api-version=...`;
      return { refusal: this.#malformedUserName, reason };
    }
    const { hostName, deviceId, moduleId } = parsed;
    const expectedId = moduleId === undefined ? deviceId : `${deviceId}/${moduleId}`;
    if (clientId !== expectedId) {
      return { refusal: 5, reason: `client ID '${clientId}' has to be '${expectedId}', as in the user name` };
    }
    const hub = this.#hubs.findByHostName(hostName);
    if (!hub) return { refusal: 5, reason: `there is no hub ${hostName}` };
    return hub.connectDevice(moduleId === undefined ? deviceId : { deviceId, moduleId }, connect, client);
  }
}

function parseUsername(username: string): HubUsername | undefined {
  // Neither kind of ID contains a slash; what follows the question mark may.
  const [, hostName, deviceId, moduleId] = /^([^/]+)\/([^/]+)(?:\/([^/?][^/]*))?(?:\/(?:\?.*)?)?$/.exec(username) ?? [];
  return hostName === undefined || deviceId === undefined ? undefined : { hostName, deviceId, moduleId };
}
