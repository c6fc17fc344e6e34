/**
 * What an IoT Hub does where Microsoft's documents are silent or contradict each other: each a choice of the emulator
 * that can be made otherwise. {@link hubAssumptionNotes} says what is known about each.
 */
export interface HubAssumptions {
  /** CONNACK code for a user name that isn't `{host}/{deviceId}/?api-version=..`. Default 4. */
  readonly malformedUserName: 4 | 5;
  /** What follows SUBSCRIBE to a topic filter that the hub doesn't grant: SUBACK 0x80, or the end. Default `suback`. */
  readonly refusedSubscription: 'suback' | 'disconnect';
  /** What happens to the open connection of a device that is disabled or deleted. Default `disconnect`. */
  readonly revokedIdentity: 'disconnect' | 'keep';
  /** What happens to the open connection of a device whose token runs out. Default `disconnect`. */
  readonly expiredToken: 'disconnect' | 'keep';
  /** What happens to the open connection of a device whose certificate runs out. Default `keep`. */
  readonly expiredCertificate: 'disconnect' | 'keep';
  /** What a clean session does with messages that wait for the device. Default `purge`. */
  readonly cleanSessionMessages: 'purge' | 'keep';
  /** What happens when a message isn't acknowledged within its lock of 60 s. Default `redeliver` on the same connection. */
  readonly expiredLock: 'redeliver' | 'wait';
  /** What PUT of a twin does with `tags` or `properties.desired` that it doesn't name. Default `keep`. */
  readonly twinPutMissingSection: 'keep' | 'clear';
  /** How a device learns what PUT or `"desired": null` took away: as nulls, or not at all. Default `nulls`. */
  readonly removedDesiredProperties: 'nulls' | 'silent';
  /** HTTP status of a method whose answer isn't JSON. Default 502; 504 lets it time out at once. */
  readonly malformedMethodAnswer: 502 | 504;
  /** Methods that one device or module works on at a time; more are 403800. Default 10. */
  readonly methodsInFlight: number;
  /** HTTP status of a service call whose policy lacks the right. Default 401. */
  readonly missingRight: 401 | 403;
  /** With `quotas: 'enforced'`: seconds' worth of a limit that pass at once before requests are slowed. Default 60. */
  readonly throttleBurstSeconds: number;
  /** With `quotas: 'enforced'`: seconds that a request is slowed at most; beyond, 429. Default 10. */
  readonly throttleQueueSeconds: number;
}

/** What each is unless {@link HubAssumptions} says otherwise. */
export const defaultHubAssumptions: HubAssumptions = {
  malformedUserName: 4,
  refusedSubscription: 'suback',
  revokedIdentity: 'disconnect',
  expiredToken: 'disconnect',
  expiredCertificate: 'keep',
  cleanSessionMessages: 'purge',
  expiredLock: 'redeliver',
  twinPutMissingSection: 'keep',
  removedDesiredProperties: 'nulls',
  malformedMethodAnswer: 502,
  methodsInFlight: 10,
  missingRight: 401,
  throttleBurstSeconds: 60,
  throttleQueueSeconds: 10,
};

/** How far an assumption is founded: something of Microsoft's says it, or nothing does. */
export interface AssumptionNote {
  readonly mark: 'documented' | 'seen' | 'assumed';
  readonly source: string;
}

/** What each default rests on. */
export const hubAssumptionNotes: Readonly<Record<keyof HubAssumptions, AssumptionNote>> = {
  malformedUserName: { mark: 'assumed', source: 'MQTT 3.1.1 section 3.2.2.3: 4 is a malformed user name or password' },
  refusedSubscription: { mark: 'assumed', source: 'MQTT 3.1.1 section 3.9.3; IoT Hub documents no answer' },
  revokedIdentity: { mark: 'assumed', source: '"Identity registry": a disabled device reaches no endpoint; not when' },
  expiredToken: { mark: 'assumed', source: "Microsoft's SDKs renew tokens before their end; no document says more" },
  expiredCertificate: { mark: 'assumed', source: 'azure-docs issue 66723, asked and not answered' },
  cleanSessionMessages: { mark: 'documented', source: 'azure-sdk-for-c, mqtt_state_machine.md' },
  expiredLock: {
    mark: 'assumed',
    source: '"Send cloud-to-device messages": back into the queue; not when it goes out',
  },
  twinPutMissingSection: { mark: 'assumed', source: 'service API description: replaces what is present' },
  removedDesiredProperties: { mark: 'assumed', source: '"Understand device twins": null removes a property' },
  malformedMethodAnswer: { mark: 'seen', source: "Microsoft's Node SDK knows a BadDeviceResponseError for 502" },
  methodsInFlight: { mark: 'assumed', source: 'error 403800 is documented, its number is not' },
  missingRight: { mark: 'documented', source: '"IoT Hub error codes": among the texts of 401003; older text says 403' },
  throttleBurstSeconds: { mark: 'assumed', source: '"Quotas and throttling": "the first minute or two"' },
  throttleQueueSeconds: {
    mark: 'assumed',
    source: '"Quotas and throttling": the queue is limited; its size is not given',
  },
};
