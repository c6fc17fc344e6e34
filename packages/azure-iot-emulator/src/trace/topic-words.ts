import { plainText } from '../plain-text.ts';
import { errorMessage } from './trace-text.ts';

/** What a topic means; `$1` and so on are the parts in parentheses, percent-decoded. */
type Rule = readonly [pattern: RegExp, words: string];

const published: readonly Rule[] = [
  [/^devices\/[^/]+\/modules\/([^/]+)\/messages\/events/, 'sends telemetry of module $1'],
  [/^devices\/[^/]+\/messages\/events/, 'sends telemetry'],
  [/^\$iothub\/twin\/GET\/\?\$rid=([^&]+)/, 'asks for its twin (request $1)'],
  [/^\$iothub\/twin\/PATCH\/properties\/reported\/\?\$rid=([^&]+)/, 'reports properties (request $1)'],
  [/^\$iothub\/methods\/res\/(-?\d+)\/\?\$rid=([^&]+)/, 'answers method call $2 with status $1'],
  [/^\$dps\/registrations\/PUT\/iotdps-register\/\?\$rid=([^&]+)/, 'asks DPS to register it (request $1)'],
  [
    /^\$dps\/registrations\/GET\/iotdps-get-operationstatus\/\?\$rid=([^&]+)/,
    'asks DPS how its registration stands (request $1)',
  ],
];

const delivered: readonly Rule[] = [
  [/^devices\/[^/]+\/(?:modules\/[^/]+\/)?messages\/devicebound/, 'brings a cloud-to-device message'],
  [/^\$iothub\/twin\/res\/(\d+)\/\?\$rid=([^&]+)/, 'answers twin request $2 with $1'],
  [
    /^\$iothub\/twin\/PATCH\/properties\/desired\/\?\$version=(\d+)/,
    'tells of changed desired properties, now version $1',
  ],
  [/^\$iothub\/methods\/POST\/([^/]+)\/\?\$rid=([^&]+)/, 'calls method $1 (call $2)'],
  [/^\$dps\/registrations\/res\/(\d+)\/\?\$rid=([^&]+)/, 'answers DPS request $2 with $1'],
];

const filters: readonly Rule[] = [
  [/^devices\/[^/]+\/(?:modules\/[^/]+\/)?(?:messages\/devicebound\/)?#$/, 'cloud-to-device messages'],
  [/^\$iothub\/twin\/res\/#$/, 'answers to twin requests'],
  [/^\$iothub\/twin\/PATCH\/properties\/desired\/#$/, 'changes of desired properties'],
  [/^\$iothub\/methods\/POST\/#$/, 'direct methods'],
  [/^\$dps\/registrations\/res\/#$/, "DPS's answers"],
];

/** What a client's PUBLISH means. */
export function publishWords(topic: string): string {
  return apply(published, topic) ?? `publishes to ${plainText(topic)}, which is no topic of DPS or IoT Hub`;
}

/** What a PUBLISH to a client means, with the reason where it refuses something. */
export function deliveryWords(topic: string, payload: Uint8Array): string {
  const words = apply(delivered, topic) ?? `brings ${plainText(topic)}`;
  if (!/\/res\/[45]\d\d\//.test(topic)) return words;
  return `${words}: refused: ${plainText(errorMessage(Buffer.from(payload).toString()) ?? 'no reason given')}`;
}

/** What a client subscribes to. */
export function filterWords(topicFilter: string): string {
  return apply(filters, topicFilter) ?? plainText(topicFilter);
}

function apply(rules: readonly Rule[], topic: string): string | undefined {
  for (const [pattern, words] of rules) {
    const match = pattern.exec(topic);
    if (match) return words.replace(/\$(\d)/g, (_all, index: string) => plainText(match[Number(index)] ?? ''));
  }
  return undefined;
}
