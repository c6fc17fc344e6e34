import type { TokenCredential } from '@azure/core-auth';
import { isRestError } from '@azure/core-rest-pipeline';
import type { PipelinePolicy, PipelineRetryOptions, RestError } from '@azure/core-rest-pipeline';
import { AzureAuthorityHosts, ClientSecretCredential, DefaultAzureCredential } from '@azure/identity';
import type { Cloud, ServicePrincipal } from '../cloud.ts';

export interface CredentialOptions {
  readonly cloud: Cloud;
  readonly policies: readonly PipelinePolicy[];
  readonly retryOptions: PipelineRetryOptions;
}

/** The cloud's service principal, else whatever DefaultAzureCredential finds on this machine. */
export function createCredential({ cloud, policies, retryOptions }: CredentialOptions): TokenCredential {
  if (cloud.servicePrincipal !== undefined) {
    return createSecretCredential(cloud.servicePrincipal, { cloud, policies, retryOptions });
  }
  return new DefaultAzureCredential({
    authorityHost: cloud.authorityHost,
    additionalPolicies: policies.map((policy) => ({ policy, position: 'perRetry' as const })),
  });
}

function createSecretCredential(
  { tenantId, clientId, clientSecret }: ServicePrincipal,
  { cloud, policies, retryOptions }: CredentialOptions,
): TokenCredential {
  const network = watchNetwork();
  const credential = new ClientSecretCredential(tenantId, clientId, clientSecret, {
    authorityHost: cloud.authorityHost,
    // Instance discovery asks Microsoft's public cloud whether an authority is known; only Microsoft's own are.
    disableInstanceDiscovery: !isMicrosoftAuthority(cloud.authorityHost),
    additionalPolicies: [...policies, network.policy].map((policy) => ({ policy, position: 'perRetry' as const })),
    retryOptions,
    ...(cloud.trustedRootsPem === undefined ? {} : { tlsOptions: { ca: cloud.trustedRootsPem } }),
  });
  return {
    async getToken(scopes, options) {
      try {
        return await credential.getToken(scopes, options);
      } catch (error) {
        const failure = network.failure();
        if (failure !== undefined) throw failure;
        throw error;
      }
    },
  };
}

/** MSAL tells of a network failure only that there was one (`endpoints_resolution_error`): here it is kept. */
function watchNetwork(): { readonly policy: PipelinePolicy; readonly failure: () => Error | undefined } {
  let last: RestError | undefined;
  return {
    policy: {
      name: 'contosoNetworkWatchPolicy',
      async sendRequest(request, next) {
        last = undefined;
        try {
          return await next(request);
        } catch (error) {
          if (isRestError(error) && error.response === undefined) last = error;
          throw error;
        }
      },
    },
    failure() {
      // No RestError, or the request's own retries would multiply those that the credential has made.
      return last === undefined ? undefined : new Error('Entra ID could not be reached.', { cause: last });
    },
  };
}

function isMicrosoftAuthority(authorityHost: string): boolean {
  return Object.values<string>(AzureAuthorityHosts).includes(authorityHost);
}
