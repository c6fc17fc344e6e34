import {
  CertificateRenewal,
  type CertificateRenewalOptions,
  type CredentialStore,
  type DeviceIdentity,
  type RenewalEvent,
} from '../src/index.ts';

/** A state that outlives whoever opened it, as one on disk does. */
export const memoryStore = (): CredentialStore & { readonly written: unknown[] } => {
  let value: unknown;
  const written: unknown[] = [];
  return {
    written,
    get: () => value,
    put: (_, next) => {
      value = JSON.parse(JSON.stringify(next)) as unknown;
      written.push(value);
    },
  };
};

/** A renewal with what it told. */
export interface Opened {
  readonly renewal: CertificateRenewal;
  readonly events: RenewalEvent[];
  readonly types: () => string[];
}

export const openRenewal = async (
  onboarding: DeviceIdentity,
  options: Partial<CertificateRenewalOptions> & Pick<CertificateRenewalOptions, 'store' | 'source'>,
): Promise<Opened> => {
  const events: RenewalEvent[] = [];
  const renewal = await CertificateRenewal.open({
    onboarding,
    proof: { prove: () => Promise.resolve() },
    random: () => 1,
    onEvent: (event) => events.push(event),
    ...options,
  });
  return { renewal, events, types: () => events.map(({ type }) => type) };
};
