import { DpsAdminError } from './errors.ts';
import { readRecord, readRecords, readText } from './transport/json-value.ts';
import type { RestClient } from './transport/rest-client.ts';

/** The only subscription that the identity can see. */
export async function findSubscription(resourceManager: RestClient, endpoint: string): Promise<string> {
  const found: { id: string; name: string }[] = [];
  let url: string | undefined = `${endpoint}/subscriptions?api-version=2021-01-01`;
  while (url !== undefined) {
    const answer = await resourceManager.send({
      task: { doing: 'list the subscriptions', subject: 'subscription' },
      method: 'GET',
      url,
    });
    const page = readRecord(answer?.body);
    for (const item of readRecords(page.value)) {
      found.push({ id: readText(item.subscriptionId) ?? '', name: readText(item.displayName) ?? '' });
    }
    url = readText(page.nextLink);
  }
  const [first, ...others] = found;
  if (first === undefined) {
    throw new DpsAdminError(
      'ERR_SUBSCRIPTION_NOT_FOUND',
      'This identity can see no subscription. Have a role assigned to it on a subscription or resource group, or name the subscription.',
      { advice: 'fix-access' },
    );
  }
  if (others.length > 0) {
    const list = found.map(({ id, name }) => `${id} (${name})`).join(', ');
    throw new DpsAdminError(
      'ERR_SUBSCRIPTION_AMBIGUOUS',
      `This identity can see ${found.length} subscriptions: ${list}. Say which one (subscriptionId).`,
      { advice: 'fix-input' },
    );
  }
  return first.id;
}
