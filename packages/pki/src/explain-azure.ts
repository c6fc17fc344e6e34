import type { ChainProblemCode } from './chain-problem.ts';

/** What Azure does with such a chain, and how we know. */
export interface AzureAnswer {
  service: 'DPS' | 'IoT Hub' | 'DPS and IoT Hub';
  /** Error code that a device gets to see, such as 401002; undefined: none is known. */
  errorCode: number | undefined;
  says: string;
  /**
   * `documented` by Microsoft; `reported` by users or Microsoft's engineers; `assumed` from those; `unknown`: no source says.
   */
  basis: 'documented' | 'reported' | 'assumed' | 'unknown';
  /** Microsoft's document (`azure-docs` is github.com/MicrosoftDocs/azure-docs) or the thread. */
  source: string;
}

const attestation = 'azure-docs: articles/iot-dps/concepts-x509-attestation.md';
const errorCodes = 'azure-docs: articles/iot-hub/troubleshoot-error-codes.md';
const hubX509 = 'azure-docs: articles/iot-hub/authenticate-authorize-x509.md';
const chainNotSent =
  'github.com/Azure/azure-iot-sdk-csharp/issues/1010, github.com/Azure/azure-iot-sdk-java/issues/203';

const refusedChain: AzureAnswer = {
  service: 'DPS',
  errorCode: 401002,
  says: 'DPS refuses the device with 401002 ("Invalid certificate", "Unauthorized"), as it does for whatever is wrong with a chain.',
  basis: 'assumed',
  source: `${attestation}; ${chainNotSent}`,
};

const undocumented: AzureAnswer = {
  service: 'DPS and IoT Hub',
  errorCode: undefined,
  says: 'Microsoft does not say whether this is refused. What DPS does refuse, it answers with 401002.',
  basis: 'unknown',
  source: attestation,
};

const noCertificate: AzureAnswer = {
  service: 'DPS',
  errorCode: 401002,
  says: 'Nothing arrives: the TLS library can not use the file, or the handshake ends without a certificate and DPS answers 401002.',
  basis: 'assumed',
  source: attestation,
};

/** What Azure says to each problem. */
export const azureAnswers: Readonly<Record<ChainProblemCode, AzureAnswer>> = {
  CHAIN_EMPTY: noCertificate,
  CHAIN_UNREADABLE: noCertificate,
  CHAIN_DUPLICATE: undocumented,
  CHAIN_UNRELATED_CERTIFICATE: undocumented,
  CHAIN_ORDER: {
    ...undocumented,
    says: 'Not documented. TLS 1.2 has each certificate certify the one before it (RFC 5246 section 7.4.2), and a server may refuse another order; DPS would answer 401002.',
  },
  CHAIN_ISSUER_MISSING: {
    ...refusedChain,
    says: 'DPS refuses the device with 401002: a device of a group has to send every certificate up to one that was uploaded and verified.',
    basis: 'documented',
  },
  CHAIN_SIGNATURE: refusedChain,
  CHAIN_KEY_IDENTIFIER: refusedChain,
  CHAIN_CA_FLAG: refusedChain,
  CHAIN_KEY_USAGE: refusedChain,
  CHAIN_EXTENDED_KEY_USAGE: {
    ...refusedChain,
    says: "DPS would refuse the device with 401002; Microsoft's samples all have clientAuth.",
    source: 'azure-docs: articles/iot-dps/iot-dps-https-x509-support.md',
  },
  CHAIN_PATH_LENGTH: refusedChain,
  CHAIN_CRITICAL_EXTENSION: refusedChain,
  CHAIN_CONSTRAINT: refusedChain,
  CHAIN_EXPIRED: {
    service: 'DPS and IoT Hub',
    errorCode: 401003,
    says: 'IoT Hub refuses an expired device or authority certificate with 401003; DPS would answer 401002.',
    basis: 'documented',
    source: errorCodes,
  },
  CHAIN_NOT_YET_VALID: {
    service: 'DPS and IoT Hub',
    errorCode: 401003,
    says: 'IoT Hub answers 401003; a clock that is off by more than five minutes breaks connections. DPS would answer 401002.',
    basis: 'documented',
    source: errorCodes,
  },
  CHAIN_REGISTRATION_ID: {
    service: 'DPS and IoT Hub',
    errorCode: 401002,
    says: 'The registration ID has to be the common name: DPS refuses the device with 401002 (upper case: 400004 in older versions), and IoT Hub wants its device ID there.',
    basis: 'documented',
    source: `${attestation}; ${hubX509}; github.com/Azure/azure-iot-sdk-c/issues/405`,
  },
  CHAIN_REGISTRATION_ID_CASE: {
    service: 'DPS and IoT Hub',
    errorCode: undefined,
    says: 'To DPS a registration ID is the same in upper and lower case, so that it should take the device; IoT Hub tells device IDs apart by case, and gets the one that DPS was given.',
    basis: 'assumed',
    source: `${attestation}; ${hubX509}`,
  },
  CHAIN_ROOT_UNTRUSTED: {
    ...refusedChain,
    says: 'DPS refuses the device with 401002 ("CA certificate not found") unless a certificate of its chain was uploaded and verified.',
    basis: 'documented',
  },
  CHAIN_SELF_SIGNED: {
    service: 'DPS',
    errorCode: 401002,
    says: 'DPS takes it for an individual enrollment that holds this very certificate, and refuses it with 401002 otherwise.',
    basis: 'documented',
    source: 'azure-docs: articles/iot-dps/iot-dps-https-x509-support.md',
  },
  CHAIN_ALGORITHM: {
    ...undocumented,
    says: 'Microsoft publishes no list of algorithms. Its documents, samples and engineers use P-256, P-384 and RSA of 2048 to 4096 bits with SHA-2; anything else may be refused in the TLS handshake, without a code.',
    source: `azure-docs: articles/iot-hub/iot-hub-tls-support.md; ${hubX509}`,
  },
  CHAIN_PROFILE: undocumented,
  CHAIN_CRL: {
    service: 'DPS and IoT Hub',
    errorCode: undefined,
    says: 'IoT Hub reads no revocation lists; for DPS no source says.',
    basis: 'documented',
    source: hubX509,
  },
  CHAIN_REVOKED: {
    service: 'DPS and IoT Hub',
    errorCode: undefined,
    says: 'IoT Hub reads no revocation lists and still takes the device: disable its enrollment in DPS and its identity in the hub.',
    basis: 'documented',
    source: hubX509,
  },
};

/** For a chain in which nothing is wrong. */
export const acceptance: AzureAnswer = {
  service: 'DPS',
  errorCode: undefined,
  says: 'DPS takes the device if a certificate of its chain was uploaded and verified, and an enabled enrollment has the device or an authority above it.',
  basis: 'documented',
  source: attestation,
};
