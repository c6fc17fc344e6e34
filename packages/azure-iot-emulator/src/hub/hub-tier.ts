import { HubError } from './hub-error.ts';

/** Edition and size of a hub; decides its quotas and what it has. */
export interface HubTier {
  readonly sku: 'F1' | 'S1' | 'S2' | 'S3' | 'B1' | 'B2' | 'B3';
  readonly units: number;
}

/** What is limited by rate. */
export type Meter =
  'connections' | 'telemetry' | 'registry' | 'twinReads' | 'twinWrites' | 'methods' | 'messages' | 'queries';

type Limits = Readonly<Record<Meter, (units: number) => number>>;

const perMinute =
  (count: number) =>
  (units: number): number =>
    (count * units) / 60;

const perSecond =
  (count: number, least = 0) =>
  (units: number): number =>
    Math.max(least, count * units);

/** Per second, "IoT Hub quotas and throttling"; methods count in pieces of 4 KB. By the digit of the edition. */
const limits: Readonly<Record<'1' | '2' | '3', Limits>> = {
  '1': {
    connections: perSecond(12, 100),
    telemetry: perSecond(12, 100),
    registry: perMinute(100),
    twinReads: () => 100,
    twinWrites: () => 50,
    methods: perSecond(160 / 4),
    messages: perMinute(100),
    queries: perMinute(20),
  },
  '2': {
    connections: perSecond(120),
    telemetry: perSecond(120),
    registry: perMinute(100),
    twinReads: perSecond(10, 100),
    twinWrites: perSecond(5, 50),
    methods: perSecond(480 / 4),
    messages: perMinute(100),
    queries: perMinute(20),
  },
  '3': {
    connections: perSecond(6000),
    telemetry: perSecond(6000),
    registry: perMinute(5000),
    twinReads: perSecond(500),
    twinWrites: perSecond(250),
    methods: perSecond((24 * 1024) / 4),
    messages: perMinute(5000),
    queries: perMinute(1000),
  },
};

const messagesADay = { '1': 400_000, '2': 6_000_000, '3': 300_000_000 } as const;

function size({ sku }: HubTier): '1' | '2' | '3' {
  return sku.charAt(1) as '1' | '2' | '3';
}

/**
 * The Basic tier takes telemetry alone ("Choose the right IoT Hub tier", with a table of the calls that it has).
 *
 * @param what - what it lacks, for the message
 * @throws {HubError} OperationNotAvailableInCurrentTier
 */
export function requireStandard({ sku }: HubTier, what: string): void {
  if (!sku.startsWith('B')) return;
  throw new HubError('OperationNotAvailableInCurrentTier', { text: `${what}: not in tier ${sku}, which is Basic` });
}

/** How many a second a hub of that tier takes. */
export function ratePerSecond(tier: HubTier, meter: Meter): number {
  return limits[size(tier)][meter](tier.units);
}

/** Messages a day, in all units together. */
export function dailyMessages(tier: HubTier): number {
  return tier.sku === 'F1' ? 8000 : messagesADay[size(tier)] * tier.units;
}

/** For how many messages a payload counts: each piece of 4 KB, or of half a KB in the free tier. */
export function messagesIn(tier: HubTier, bytes: number): number {
  return Math.max(1, Math.ceil(bytes / (tier.sku === 'F1' ? 512 : 4096)));
}
