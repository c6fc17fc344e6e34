import type { DpsAdminAdvice, DpsAdminErrorCode } from '../errors.ts';

export interface NextStep {
  readonly advice: DpsAdminAdvice;
  readonly text: string;
}

/** The sentence that ends an error's message: what to do now. */
export function nextStep(code: DpsAdminErrorCode): NextStep {
  return steps[code] ?? { advice: 'fix-azure', text: 'Give the tracking ID to Azure support if it stays.' };
}

const steps: Partial<Record<DpsAdminErrorCode, NextStep>> = {
  ERR_SIGN_IN: {
    advice: 'fix-access',
    text: 'Sign in (az login), or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, or correct the service principal of the cloud file.',
  },
  ERR_NOT_AUTHORIZED: {
    advice: 'fix-access',
    text: 'Check the names, and have a role assigned to this identity: Contributor on the resource group, Device Provisioning Service Data Contributor on the DPS instance, IoT Hub Registry Contributor on the hub.',
  },
  ERR_SUBSCRIPTION_NOT_FOUND: { advice: 'fix-input', text: 'Check the subscription ID (az account list).' },
  ERR_RESOURCE_GROUP_NOT_FOUND: {
    advice: 'fix-azure',
    text: 'Check the name and the subscription, or create it: az group create --name NAME --location LOCATION.',
  },
  ERR_DPS_NOT_FOUND: {
    advice: 'fix-azure',
    text: 'Check the DPS name and the resource group, or create it: az iot dps create --name NAME --resource-group GROUP.',
  },
  ERR_HUB_NOT_FOUND: {
    advice: 'fix-azure',
    text: 'Check the hub name and the resource group, link the hub if an enrollment names it, or create it: az iot hub create --name NAME --resource-group GROUP.',
  },
  ERR_NAME_TAKEN: { advice: 'fix-input', text: 'Names are shared by all of Azure: choose another one.' },
  ERR_NOT_ACTIVE: { advice: 'retry', text: 'Run again when the resource is active.' },
  ERR_CERTIFICATE_NOT_FOUND: { advice: 're-read', text: 'Somebody deleted it meanwhile: run again.' },
  ERR_PROOF_REJECTED: {
    advice: 'fix-input',
    text: 'Sign the proof with the private key of the very certificate that was uploaded, then run again.',
  },
  ERR_ENROLLMENT_GROUP_EXISTS: {
    advice: 'fix-input',
    text: 'Choose another ID, change the group in place, or ask for it to be deleted and made anew.',
  },
  ERR_ENROLLMENT_EXISTS: { advice: 're-read', text: 'Read it, and send its ETag to change it.' },
  ERR_ETAG_STALE: { advice: 're-read', text: 'Somebody changed it meanwhile: read it again, then decide.' },
  ERR_CONFLICT: { advice: 'retry', text: 'Another change is still under way: run again in a minute.' },
  ERR_REQUEST_REFUSED: { advice: 'fix-input', text: 'Correct what the reason names, then run again.' },
  ERR_THROTTLED: { advice: 'retry', text: 'Too many requests: wait as long as Azure asks, then run again.' },
  ERR_SERVICE_FAILED: {
    advice: 'retry',
    text: 'Run again; if it stays, look at status.azure.com and give the tracking ID to Azure support.',
  },
  ERR_CONNECTION_REFUSED: {
    advice: 'retry',
    text: 'Nothing listens there: check the address and port of the cloud file, and that the service (or the emulator) is running.',
  },
  ERR_CONNECTION_LOST: { advice: 'retry', text: 'The connection broke: check the network and proxy, then run again.' },
  ERR_NAME_NOT_RESOLVED: {
    advice: 'fix-input',
    text: 'DNS knows no such host: a DPS instance or hub of that name does not exist in this cloud, or there is no network.',
  },
  ERR_TLS_UNTRUSTED: {
    advice: 'fix-input',
    text: 'The server’s certificate is not trusted: give its root as trustedRootsPem of the cloud, and check the host name and this machine’s clock.',
  },
  ERR_TIMEOUT: { advice: 'retry', text: 'Check the network and any firewall, then run again.' },
};
