/** What a source has to say about the device's connections, where Azure itself issues its certificates. */
export interface AzureTerms {
  /**
   * With which credential the device registers with DPS. `current` (default): the one in use, as DPS knows devices whose
   * certificates come from elsewhere. `onboarding`: always the one of the installation; the renewed one is for the hub alone.
   */
  readonly registersWith?: 'current' | 'onboarding';
  /** DPS's device API version that knows what the source adds; default the agent's own. */
  readonly dpsApiVersion?: string;
  /** The hub's API version that knows the source's topics; default the agent's own. */
  readonly hubApiVersion?: string;
}

/** The session that the device has with its hub. */
export interface HubLink {
  /** As the hub spells it. */
  readonly deviceId: string;
  /**
   * Subscribes to a filter that ends in `#`, beside the four of the agent (a hub allows five), and hears what comes there.
   * Without effect on the device's own work, whatever the hub says.
   *
   * @returns stops hearing
   * @throws {DeviceAgentError} ERR_AGENT_HUB_UNREACHABLE: the hub doesn't grant it, or the session has ended
   */
  listen(filter: string, onMessage: (topic: string, payload: Buffer) => void): Promise<() => void>;
  /** Resolves with the hub's PUBACK. */
  publish(topic: string, payload: string): Promise<void>;
}

/** The way to DPS and hub for a source that gets its certificates there. */
export interface AzureAccess {
  /**
   * Registers with DPS, with members added to the request's body, such as `csr`.
   *
   * @returns the registration's state as DPS sent it; undefined where the device was given its hub, and there is no DPS
   * @throws {DeviceAgentError} what `provision` throws
   */
  register(
    added: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
  ): Promise<Readonly<Record<string, unknown>> | undefined>;
  /** Undefined while there is no connection. */
  hub(): HubLink | undefined;
}
