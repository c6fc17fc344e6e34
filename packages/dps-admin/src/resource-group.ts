import type { AzureSession } from './azure-session.ts';
import { hasDpsAdminCode } from './errors.ts';
import { checkName } from './resource-name.ts';
import { readRecord, readText } from './transport/json-value.ts';

export interface ResourceGroup {
  readonly name: string;
  readonly location: string;
}

/** Undefined where there is no such resource group in the session's subscription. */
export async function getResourceGroup(session: AzureSession, name: string): Promise<ResourceGroup | undefined> {
  checkName('resourceGroup', name);
  try {
    const answer = await session.resourceManager.send({
      task: { doing: `read resource group '${name}'`, subject: 'resource-group' },
      method: 'GET',
      url: resourceGroupUrl(session, name),
    });
    return readResourceGroup(answer?.body, name);
  } catch (error) {
    if (hasDpsAdminCode(error, 'ERR_RESOURCE_GROUP_NOT_FOUND')) return undefined;
    throw error;
  }
}

export async function createResourceGroup(
  session: AzureSession,
  name: string,
  location: string,
): Promise<ResourceGroup> {
  const answer = await session.resourceManager.send({
    task: { doing: `create resource group '${name}' in ${location}`, subject: 'resource-group' },
    method: 'PUT',
    url: resourceGroupUrl(session, name),
    body: { location },
  });
  return readResourceGroup(answer?.body, name);
}

function readResourceGroup(body: unknown, name: string): ResourceGroup {
  const group = readRecord(body);
  return { name: readText(group.name) ?? name, location: readText(group.location) ?? '' };
}

function resourceGroupUrl(session: AzureSession, name: string): string {
  const { cloud, subscriptionId } = session;
  return `${cloud.resourceManagerEndpoint}/subscriptions/${encodeURIComponent(subscriptionId)}/resourcegroups/${encodeURIComponent(name)}?api-version=2021-04-01`;
}
