// A back office as Microsoft's documents show it: azure-iothub over HTTPS, nothing of the emulator.
import hubSdk from 'azure-iothub';

const [connectionString, bearerToken] = process.argv.slice(2);
const registry = bearerToken
  ? hubSdk.Registry.fromTokenCredential(/HostName=([^;]*)/.exec(connectionString)[1], {
      getToken: async (scope) => {
        process.send({ event: 'scope', scope });
        return { token: bearerToken, expiresOnTimestamp: Date.now() + 3600_000 };
      },
    })
  : hubSdk.Registry.fromConnectionString(connectionString);
const client = hubSdk.Client.fromConnectionString(connectionString);

/** Errors carry what the client made of the answer, and the answer. */
function errorOf(error) {
  const { name, message, responseBody, response } = error;
  return { name, message, responseBody, status: response?.statusCode };
}

const commands = {
  create: ({ device }) => registry.create(device).then(({ responseBody }) => responseBody),
  get: ({ deviceId }) => registry.get(deviceId).then(({ responseBody }) => responseBody),
  update: ({ device }) => registry.update(device).then(({ responseBody }) => responseBody),
  delete: ({ deviceId }) => registry.delete(deviceId).then(() => null),
  list: () => registry.list().then(({ responseBody }) => responseBody),
  statistics: () => registry.getRegistryStatistics().then(({ responseBody }) => responseBody),
  twin: ({ deviceId }) => registry.getTwin(deviceId).then(({ responseBody }) => responseBody),
  updateTwin: ({ deviceId, patch, etag }) =>
    registry.updateTwin(deviceId, patch, etag ?? '*').then(({ responseBody }) => responseBody),
  method: ({ deviceId, parameters }) => client.invokeDeviceMethod(deviceId, parameters).then(({ result }) => result),
  async query({ text, pageSize }) {
    const query = registry.createQuery(text, pageSize);
    const pages = [];
    while (query.hasMoreResults) {
      const { result } = await query.next(query.continuationToken);
      pages.push(result);
    }
    return pages;
  },
  updateDevices: ({ devices, force }) =>
    registry.updateDevices(devices, force).then(({ responseBody }) => responseBody),
  removeDevices: ({ devices, force }) =>
    registry.removeDevices(devices, force).then(({ responseBody }) => responseBody),
  addModule: ({ module }) => registry.addModule(module).then(({ responseBody }) => responseBody),
  modules: ({ deviceId }) => registry.getModulesOnDevice(deviceId).then(({ responseBody }) => responseBody),
  module: ({ deviceId, moduleId }) => registry.getModule(deviceId, moduleId).then(({ responseBody }) => responseBody),
  updateModule: ({ module }) => registry.updateModule(module).then(({ responseBody }) => responseBody),
  removeModule: ({ deviceId, moduleId }) => registry.removeModule(deviceId, moduleId).then(() => null),
  moduleTwin: ({ deviceId, moduleId }) =>
    registry.getModuleTwin(deviceId, moduleId).then(({ responseBody }) => responseBody),
  updateModuleTwin: ({ deviceId, moduleId, patch }) =>
    registry.updateModuleTwin(deviceId, moduleId, patch, '*').then(({ responseBody }) => responseBody),
  moduleMethod: ({ deviceId, moduleId, parameters }) =>
    client.invokeDeviceMethod(deviceId, moduleId, parameters).then(({ result }) => result),
  addDevices: ({ devices }) => registry.addDevices(devices).then(({ responseBody }) => responseBody),
};

process.on('message', ({ id, command, ...parameters }) => {
  commands[command](parameters)
    .then((result) => process.send({ id, result: result ?? null }))
    .catch((error) => process.send({ id, error: errorOf(error) }));
});
process.send({ event: 'ready' });
