/** What a service behind the MQTT port (DPS or an IoT Hub) has to be for the port to hand it connections. */

/** A CONNECT packet together with what TLS knows of the client. */
export interface MqttConnect {
  readonly clientId: string;
  readonly username: string;
  readonly password: Uint8Array | undefined;
  readonly cleanSession: boolean;
  readonly keepAliveSeconds: number;
  readonly will: { readonly topic: string; readonly payload: Uint8Array } | undefined;
  /** DER certificates as the client presented them, leaf first; empty without a client certificate. */
  readonly presentedChain: readonly Uint8Array[];
}

/** CONNACK return codes of MQTT 3.1.1 section 3.2.2.3 that refuse a connection. */
export type ConnectRefusal = 1 | 2 | 3 | 4 | 5;

/** For a QoS 1 message that may be sent more than once. */
export interface OutboundDelivery {
  /** 0x8000 to 0xffff, the same each time the message is sent (MQTT 3.1.1 section 4.4). */
  readonly packetId: number;
  /** Sets DUP (MQTT 3.1.1 section 3.3.1.1). */
  readonly isRedelivery: boolean;
}

/** Why a topic filter is not granted; the client learns 0x80. */
export interface SubscriptionRefusal {
  readonly refusal: string;
}

/** The client's side of an accepted connection, as its service sees it. */
export interface MqttClient {
  /** Resolves when the packet is written (QoS 0) or acknowledged (QoS 1); rejects when the connection ends first. */
  publish(topic: string, payload: Uint8Array, qos: 0 | 1, delivery?: OutboundDelivery): Promise<void>;
  /** Neither reads nor writes until what it returns is called, as a server that hangs; then goes on where it was. */
  freeze(): () => void;
  /**
   * Loses everything in both directions from now on, as a network that swallows packets; the client isn't told of the
   * connection's end either. What it returns ends the connection.
   */
  silence(): () => void;
  /** Ends the connection at once; the reason goes to the emulator's log, never to the client. */
  close(reason: string): void;
}

/** The service's side of an accepted connection. */
export interface MqttSession {
  /** CONNACK's session-present flag. */
  readonly sessionPresent: boolean;
  /** Called once CONNACK is written: from here on the session may publish. */
  opened(): void;
  /** Returns the granted QoS or why there is none. */
  subscribe(topicFilter: string, qos: 0 | 1 | 2): 0 | 1 | SubscriptionRefusal;
  /** Called after SUBACK is written, so that what waits for a subscription can be delivered. */
  subscribed(topicFilter: string): void;
  unsubscribe(topicFilter: string): void;
  /**
   * A QoS 1 packet is acknowledged when this resolves, at once where it returns undefined. A failure, thrown or as a
   * rejection, closes the connection with the error's message as reason.
   */
  publish(packet: {
    readonly topic: string;
    readonly payload: Uint8Array;
    readonly qos: 0 | 1 | 2;
    readonly retain: boolean;
  }): Promise<void> | undefined;
  /** Called exactly once, however the connection ended; `graceful` is true after a DISCONNECT packet. */
  closed(graceful: boolean): void;
}

/** DPS or IoT Hub, told apart by the CONNECT packet's user name. */
export interface MqttService {
  accepts(username: string): boolean;
  connect(
    connect: MqttConnect,
    client: MqttClient,
  ): Promise<MqttSession | { readonly refusal: ConnectRefusal; readonly reason: string }>;
}
