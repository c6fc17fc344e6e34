export { documentedDpsLimits } from '../dps/dps-limits.ts';
export { RateLimit, ThrottledError } from '../dps/rate-limit.ts';
export { defaultHubAssumptions } from '../hub/hub-assumptions.ts';
export { HubError } from '../hub/hub-error.ts';
export { HubQuotas } from '../hub/hub-quotas.ts';
export { ratePerSecond } from '../hub/hub-tier.ts';

export type { DpsLimits } from '../dps/dps-limits.ts';
export type { RateLimitOptions } from '../dps/rate-limit.ts';
export type { HubAssumptions } from '../hub/hub-assumptions.ts';
export type { HubQuotasOptions, QuotaMode } from '../hub/hub-quotas.ts';
export type { HubTier, Meter } from '../hub/hub-tier.ts';
export type { StartTimer } from '../mqtt/timer.ts';
