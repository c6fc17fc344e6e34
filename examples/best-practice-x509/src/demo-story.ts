import { join } from 'node:path';
import type { AzureIotEmulator } from '@contoso/azure-iot-emulator';
import { loadIdentity, type DeviceAgent } from '@contoso/device-agent';
import type { AzureSession } from '@contoso/dps-admin';
import { openBackOffice, type BackOffice } from './back-office.ts';
import { cleanUp } from './cleanup.ts';
import { thermostatAgent } from './device.ts';
import { EventLog } from './event-log.ts';
import { openDevice, openLine, openRoot } from './factory.ts';
import type { Reporter } from './reporter.ts';
import { setUp, type SetupOptions, type SetupResult } from './setup.ts';
import { Thermostat } from './thermostat.ts';

/** Where the story plays. */
export interface Stage {
  readonly azure: AzureIotEmulator;
  readonly session: AzureSession;
  readonly reporter: Reporter;
  readonly folder: string;
  readonly password: string;
  readonly devicesPerLine: number;
  /** Gets what has to be closed, whatever happens. */
  readonly onOpened: (close: () => unknown) => void;
}

/** A thermostat that runs. */
interface Cast {
  readonly deviceId: string;
  readonly line: ProductionLine;
  readonly thermostat: Thermostat;
  readonly pfxFile: string;
  agent: DeviceAgent;
  log: EventLog;
}

interface ProductionLine {
  readonly name: string;
  readonly enrollmentGroupId: string;
}

const names = { resourceGroup: 'contoso', dps: 'contoso-dps', hub: 'contoso-hub' };
const lines: readonly ProductionLine[] = [
  { name: 'line-1', enrollmentGroupId: 'line-1' },
  { name: 'line-2', enrollmentGroupId: 'line-2' },
];

/** From a root authority to acknowledged telemetry and back to nothing. */
export async function tellStory(stage: Stage): Promise<Readonly<Record<string, unknown>>> {
  const { reporter, azure, session } = stage;
  const { idScope } = await setUpLines(stage);
  const hub = azure.hub(names.hub);
  const office = openBackOffice(session, hub.hostName);
  stage.onOpened(() => office.close());

  reporter.heading('Devices');
  const cast = await startThermostats(stage, idScope);
  const [first] = cast;
  if (!first) throw new Error('The demo needs at least one device.');
  const telemetry = await showTelemetry(stage, cast);

  reporter.heading('Back office');
  await changeTarget(stage, office, first);
  await sendMessage(stage, first);
  await callMethod(stage, office, first);

  reporter.heading('Trouble');
  const cut = await cutConnection(stage, first);
  await restart(stage, idScope, first);
  await refuseStranger(stage, idScope);

  reporter.heading('Clean-up');
  await takeAllOut(stage, cast);
  await failToComeBack(stage, idScope, first);
  return {
    lines: lines.length,
    devices: cast.length,
    telemetrySent: telemetry + cut.sent,
    telemetryLost: cut.lost,
  };
}

async function setUpLines(stage: Stage): Promise<SetupResult> {
  const results: SetupResult[] = [];
  for (const [index, line] of lines.entries()) {
    stage.reporter.heading(`Set-up of production ${line.name}`);
    const options: SetupOptions = {
      certFolderPath: join(stage.folder, 'certs'),
      rootCertPassword: stage.password,
      dpsResourceGroup: names.resourceGroup,
      dpsName: names.dps,
      iotHubNames: [names.hub],
      deviceId: `thermostat-${index + 1}-1`,
      line: line.name,
      enrollmentGroupId: line.enrollmentGroupId,
      location: 'westeurope',
      create: true,
      force: false,
    };
    results.push(await setUp(stage.session, options, stage.reporter));
  }
  const [first] = results;
  if (!first) throw new Error('The demo needs at least one line.');
  return first;
}

async function startThermostats(stage: Stage, idScope: string): Promise<Cast[]> {
  const { folder, password, reporter } = stage;
  const files = { folder: join(folder, 'certs'), password };
  const root = await openRoot(files);
  const cast: Cast[] = [];
  for (const [index, line] of lines.entries()) {
    const authority = await openLine(files, root.item, line.name);
    for (let number = 1; number <= stage.devicesPerLine; number += 1) {
      const deviceId = `thermostat-${index + 1}-${number}`;
      const { item, save } = await openDevice(files, authority.item, { deviceId, force: false });
      await save();
      // The second line's thermostats stand in a warm place, so that the alert is seen.
      const thermostat = new Thermostat({ temperature: index === 1 ? 34 : 22 });
      const { agent, log } = await startAgent(stage, { idScope, thermostat, pfxFile: item.pfxPath });
      const { assignment } = await log.waitFor('provisioned', () => true, `${deviceId} is provisioned`);
      reporter.step(`${deviceId} provisioned and connected`, {
        subject: item.details.subject,
        thumbprint: item.details.thumbprintSha256,
        status: assignment.status,
        substatus: assignment.substatus,
        assignedHub: assignment.assignedHub,
        connection: agent.state.status,
      });
      cast.push({ deviceId, line, thermostat, pfxFile: item.pfxPath, agent, log });
    }
  }
  return cast;
}

interface AgentOptions {
  readonly idScope: string;
  readonly thermostat: Thermostat;
  readonly pfxFile: string;
}

async function startAgent(
  stage: Stage,
  { idScope, thermostat, pfxFile }: AgentOptions,
): Promise<{ agent: DeviceAgent; log: EventLog }> {
  const { cloud } = stage.azure;
  const log = new EventLog();
  const agent = thermostatAgent(thermostat, stage.reporter, {
    identity: await loadIdentity({ pfxFile, password: stage.password }),
    connectTo: { idScope, endpoint: cloud.provisioningDeviceEndpoint },
    stateFolder: join(stage.folder, 'state'),
    trustedRootsPem: cloud.trustedRootsPem,
    onEvent: log.add,
  });
  stage.onOpened(() => agent.stop(0));
  await agent.start();
  return { agent, log };
}

async function showTelemetry({ azure, reporter }: Stage, cast: readonly Cast[]): Promise<number> {
  for (const { deviceId, agent, thermostat } of cast) {
    const messageId = await agent.send(thermostat.measure());
    const message = await azure
      .hub(names.hub)
      .telemetry.waitFor(({ systemProperties }) => systemProperties['message-id'] === messageId, { timeoutMs: 30_000 });
    if (!message) throw new Error(`Telemetry ${messageId} of ${deviceId} did not arrive at the hub within 30 s.`);
    reporter.step(`Telemetry of ${deviceId} arrived at the hub`, {
      body: Buffer.from(message.body).toString('utf8'),
      temperatureAlert: message.applicationProperties['temperatureAlert'] ?? undefined,
      messageId,
    });
  }
  return cast.length;
}

async function changeTarget({ reporter }: Stage, office: BackOffice, { deviceId, log }: Cast): Promise<void> {
  const { desiredVersion } = await office.setTargetTemperature(deviceId, 18.5);
  await log.waitFor(
    'reported',
    ({ properties }) => (properties['targetTemperature'] as { av?: number } | undefined)?.av === desiredVersion,
    `${deviceId} reports its target temperature`,
  );
  const { targetTemperature } = await office.reportedProperties(deviceId);
  reporter.step(`Target temperature of ${deviceId} changed and reported back`, {
    desired: 18.5,
    desiredVersion,
    reported: JSON.stringify(targetTemperature),
  });
}

async function sendMessage({ azure, reporter }: Stage, { deviceId, log }: Cast): Promise<void> {
  const hub = azure.hub(names.hub);
  const { messageId } = hub.sendToDevice(deviceId, {
    body: Buffer.from('Please dust the sensor'),
    properties: { urgency: 'low' },
    ack: 'positive',
  });
  await log.waitFor(
    'message-completed',
    (event) => event.messageId === messageId,
    `${deviceId} completes message ${messageId}`,
  );
  const feedback = await hub.feedback.waitFor(({ originalMessageId }) => originalMessageId === messageId, {
    timeoutMs: 30_000,
  });
  if (feedback?.statusCode !== 'Success') throw new Error(`The hub did not see message ${messageId} completed.`);
  reporter.step('Cloud-to-device message completed', { messageId, feedback: feedback.statusCode });
}

async function callMethod({ reporter }: Stage, office: BackOffice, { deviceId }: Cast): Promise<void> {
  const { status, payload } = await office.callMethod(deviceId, 'getReport');
  if (status !== 200) throw new Error(`${deviceId} answered method getReport with status ${status}.`);
  reporter.step(`Method getReport answered by ${deviceId}`, { status, payload: JSON.stringify(payload) });
}

async function cutConnection(
  { azure, reporter }: Stage,
  { deviceId, agent, thermostat, log }: Cast,
): Promise<{ sent: number; lost: number }> {
  const hub = azure.hub(names.hub);
  const before = log.all('status').length;
  const messageIds: string[] = [];
  for (let count = 0; count < 10; count += 1) {
    if (count === 3) hub.dropConnection(deviceId);
    messageIds.push(await agent.send(thermostat.measure()));
  }
  await log.waitFor('retry', () => true, `${deviceId} notices that its connection is cut`);
  await agent.flush();
  const arrived = hub.telemetry.list().filter((message) => message.deviceId === deviceId);
  const lost = messageIds.filter(
    (id) => !arrived.some(({ systemProperties }) => systemProperties['message-id'] === id),
  );
  if (lost.length > 0) throw new Error(`Lost by the cut: ${lost.join(', ')}.`);
  reporter.step(`Connection of ${deviceId} cut, and recovered by itself`, {
    connection: log
      .all('status')
      .slice(before)
      .map(({ state }) => state.status)
      .join(', '),
    sentMeanwhile: messageIds.length,
    lost: lost.length,
  });
  return { sent: messageIds.length, lost: lost.length };
}

async function restart(stage: Stage, idScope: string, device: Cast): Promise<void> {
  const { azure, reporter } = stage;
  const registrations = (): number => azure.dps(names.dps).registerCalls(device.deviceId);
  const before = registrations();
  await device.agent.stop();
  ({ agent: device.agent, log: device.log } = await startAgent(stage, { ...device, idScope }));
  const [connecting] = device.log.all('connecting');
  if (registrations() !== before || connecting?.isKept !== true)
    throw new Error('The restarted device asked DPS again.');
  reporter.step(`${device.deviceId} restarted and went straight to its hub`, {
    hub: connecting.hostName,
    registrationsBefore: before,
    registrationsAfter: registrations(),
  });
}

async function refuseStranger(stage: Stage, idScope: string): Promise<void> {
  const files = { folder: join(stage.folder, 'certs'), password: stage.password };
  const root = await openRoot(files);
  const line = await openLine(files, root.item, 'line-3');
  const { item, save } = await openDevice(files, line.item, { deviceId: 'thermostat-3-1', force: false });
  await save();
  await expectRefusal(stage, 'A device from a line that nobody enrolled is refused', {
    idScope,
    thermostat: new Thermostat(),
    pfxFile: item.pfxPath,
  });
}

async function takeAllOut({ session, reporter }: Stage, cast: readonly Cast[]): Promise<void> {
  for (const { deviceId, line } of cast) {
    const options = {
      resourceGroup: names.resourceGroup,
      dpsName: names.dps,
      iotHubName: names.hub,
      deviceId,
      groupEnrollmentId: line.enrollmentGroupId,
      dryRun: false,
    };
    await cleanUp(session, options, reporter);
  }
  for (const { agent, deviceId } of cast) {
    const error = await agent.finished;
    reporter.step(`${deviceId} has ended by itself`, {
      connection: `${agent.state.status}, ${agent.state.reason}`,
      code: error?.code,
    });
  }
}

async function failToComeBack(stage: Stage, idScope: string, device: Cast): Promise<void> {
  await expectRefusal(stage, `${device.deviceId} can't come back`, { ...device, idScope });
}

async function expectRefusal(stage: Stage, what: string, options: AgentOptions): Promise<void> {
  const refusal = await startAgent(stage, options).then(
    () => undefined,
    (error: unknown) => error as { readonly code?: string; readonly azureCode?: number; readonly message: string },
  );
  if (refusal?.code !== 'ERR_AGENT_DPS_REFUSED') {
    throw new Error(
      `DPS was expected to refuse the device, and ${refusal === undefined ? 'let it in' : `this happened: ${refusal.message}`}.`,
    );
  }
  stage.reporter.step(what, { code: refusal.code, azureCode: refusal.azureCode, why: refusal.message });
}
