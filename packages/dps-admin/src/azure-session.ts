import { IotDpsClient } from '@azure/arm-deviceprovisioningservices';
import { IotHubClient } from '@azure/arm-iothub';
import type { TokenCredential } from '@azure/core-auth';
import type { PipelineRetryOptions } from '@azure/core-rest-pipeline';
import type { Cloud } from './cloud.ts';
import { findSubscription } from './subscription.ts';
import { openConnection } from './transport/connection.ts';
import { createCredential } from './transport/credential.ts';
import { createRestClient } from './transport/rest-client.ts';
import type { RestClient } from './transport/rest-client.ts';

export interface AzureSessionOptions {
  readonly cloud: Cloud;
  /** Default: the cloud's, else the only one that the identity can see. */
  readonly subscriptionId?: string;
  /**
   * Default: the cloud's service principal, else DefaultAzureCredential of @azure/identity (environment, workload and managed identity,
   * Azure CLI and the other tools that it knows).
   */
  readonly credential?: TokenCredential;
  /** Retries of 429, 5xx and of connections that fail; default as in Microsoft's clients: 3, after 1, 2 and 4 s or as Retry-After says. */
  readonly retryOptions?: PipelineRetryOptions;
  /** How long one request may take, in milliseconds; default 100,000. */
  readonly requestTimeoutMs?: number;
  /** Time between two looks at a long-running operation of Resource Manager, in milliseconds; default 2,000. */
  readonly pollIntervalMs?: number;
}

/** A signed-in operator: one credential for Resource Manager, DPS's service API and the hubs', and Microsoft's management clients. */
export interface AzureSession {
  readonly cloud: Cloud;
  readonly subscriptionId: string;
  readonly credential: TokenCredential;
  readonly iotDps: IotDpsClient;
  readonly iotHubs: IotHubClient;
  readonly resourceManager: RestClient;
  readonly provisioningService: RestClient;
  readonly hubService: RestClient;
  readonly pollIntervalMs: number;
  /** Ends the connections that are kept open for the next request; the session stays usable. */
  close(): void;
}

/**
 * Opens a session: nothing is asked of Azure yet, except which subscriptions there are where none is given.
 *
 * @throws {DpsAdminError} ERR_SUBSCRIPTION_NOT_FOUND: no subscription is visible
 * @throws {DpsAdminError} ERR_SUBSCRIPTION_AMBIGUOUS: several are; the message lists them
 * @throws {DpsAdminError} ERR_SIGN_IN: Entra ID refused, or there is nothing to sign in with
 */
export async function createAzureSession(options: AzureSessionOptions): Promise<AzureSession> {
  const { cloud, retryOptions = {}, requestTimeoutMs = 100_000, pollIntervalMs = 2_000 } = options;
  if (typeof cloud !== 'object') throw new TypeError('cloud has to be a Cloud: take it from loadCloud or clouds.');
  const connection = openConnection({ trustedRootsPem: cloud.trustedRootsPem, requestTimeoutMs });
  const credential = options.credential ?? createCredential({ cloud, policies: connection.policies, retryOptions });
  const plane = (audience: string): RestClient =>
    createRestClient({ credential, audience, policies: connection.policies, retryOptions });
  const resourceManager = plane(cloud.resourceManagerAudience);
  const subscriptionId =
    options.subscriptionId ??
    cloud.subscriptionId ??
    (await findSubscription(resourceManager, cloud.resourceManagerEndpoint));
  const clientOptions = {
    endpoint: cloud.resourceManagerEndpoint,
    $host: cloud.resourceManagerEndpoint,
    credentialScopes: `${cloud.resourceManagerAudience}/.default`,
    additionalPolicies: connection.policies.map((policy) => ({ policy, position: 'perRetry' as const })),
    retryOptions,
  };
  return {
    cloud,
    subscriptionId,
    credential,
    iotDps: new IotDpsClient(credential, subscriptionId, clientOptions),
    iotHubs: new IotHubClient(credential, subscriptionId, clientOptions),
    resourceManager,
    provisioningService: plane(cloud.provisioningServiceAudience),
    hubService: plane(cloud.hubAudience),
    pollIntervalMs,
    close: () => connection.close(),
  };
}
