// Makes calls of azure-iot-provisioning-service one after the other and says what came of each. A call is
// [method, ...arguments]; `{"$query": [query, pageSize]}` as method runs a whole query, page by page.
import { text } from 'node:stream/consumers';
import service from 'azure-iot-provisioning-service';

const { connectionString, calls } = JSON.parse(await text(process.stdin));
const client = service.ProvisioningServiceClient.fromConnectionString(connectionString);

async function pages(query) {
  const result = [];
  while (query.hasMoreResults) result.push((await query.next()).responseBody);
  return result;
}

const outcomes = [];
for (const [method, ...args] of calls) {
  try {
    const answer = client[method](...args);
    outcomes.push({ value: method.endsWith('Query') ? await pages(answer) : ((await answer)?.responseBody ?? null) });
  } catch (error) {
    outcomes.push({ error: { name: error.name, body: JSON.parse(error.responseBody ?? 'null') } });
  }
}
process.stdout.write(JSON.stringify(outcomes));
