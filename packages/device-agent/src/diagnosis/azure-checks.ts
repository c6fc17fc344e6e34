import type { Duplex } from 'node:stream';
import { openStream, type Transport } from '../network/open-stream.ts';
import { requestHttps, type HttpsAnswer } from '../network/https-request.ts';
import { dpsRefusal } from '../protocol/dps-error.ts';
import type { DpsBody } from '../protocol/dps-session.ts';
import { HubSession } from '../protocol/hub-session.ts';
import { defaultEndpoint, registerDevice, type ProvisioningService } from '../protocol/provision.ts';
import { found, type Check, type Examination } from './examination.ts';
import { failedBy, ok, skipped, warning, type Outcome } from './outcome.ts';
import { addressFor, chosenTransport, limitsOf, namesPort, secureContextOf, withTls } from './server.ts';

/** DPS's device API over HTTP; MQTT has no look-up. */
const httpApiVersion = '2021-06-01';

/** DPS's word on the device. */
export const dpsCheck: Check = {
  name: 'dps-registration',
  title: 'DPS accepts the device',
  needs: ['tls-dps', 'identity-key', 'certificate-valid'],
  run: async (examination) => {
    const { connectTo } = examination.options;
    if (!('idScope' in connectTo)) return skipped('the hub is configured, DPS is not asked');
    const state = await askState(examination, connectTo);
    if (state) return state;
    if (examination.findings.isAgentRunning === false) return register(examination, connectTo);
    return skipped('no registration can be looked up; while an agent runs, or may, making one is left to it');
  },
};

/** The hub's word on the device. */
export const hubCheck: Check = {
  name: 'hub-connection',
  title: 'IoT hub accepts the device',
  needs: ['tls-hub', 'identity-key', 'certificate-valid'],
  run: async (examination) => {
    const { findings, clock } = examination;
    if (!findings.hub) return skipped('no hub is known: none is configured, kept or assigned');
    if (findings.isAgentRunning !== false) {
      return skipped(
        findings.isAgentRunning === true
          ? 'the agent runs, and a second connection would throw its own out; stop it to have this looked at'
          : 'whether the agent runs is not known, and a second connection would throw its own out',
      );
    }
    const session = await HubSession.open(
      {
        identity: found(findings.identity, 'the identity'),
        address: findings.hub,
        openStream: opener(examination, chosenTransport(examination, 'hub')),
        clock,
        keepAliveSeconds: 60,
        // Nothing is completed, so whatever comes stays with the hub for the agent.
        onMessage: () => undefined,
        onMethod: () => Promise.resolve({ status: 503, payload: Buffer.from('null') }),
        onDesiredPatch: () => undefined,
      },
      examination.options.signal ?? new AbortController().signal,
    );
    await session.close();
    return ok(`${findings.hub.hostName} takes ${findings.hub.deviceId}`);
  },
};

const opener =
  (examination: Examination, transport: Transport) =>
  (host: string): Promise<Duplex> => {
    const { proxy } = examination.options;
    return openStream({
      ...limitsOf(examination),
      ...(proxy && { proxy }),
      host,
      transport,
      secureContext: secureContextOf(examination),
    });
  };

/** The registration as DPS has it, without making another one; undefined where there is none, or HTTPS doesn't get through. */
async function askState(examination: Examination, provisioning: ProvisioningService): Promise<Outcome | undefined> {
  const { findings } = examination;
  const { idScope, endpoint = defaultEndpoint } = provisioning;
  if (!findings.open.dps.has('mqtt-websocket') && !namesPort(endpoint)) return undefined;
  const identity = found(findings.identity, 'the identity');
  const { registrationId } = identity;
  const answer = await withTls(examination, addressFor(endpoint, 'mqtt-websocket'), (socket, { signal }) =>
    requestHttps(socket, {
      method: 'POST',
      host: endpoint,
      path: `/${idScope}/registrations/${encodeURIComponent(registrationId)}?api-version=${httpApiVersion}`,
      content: { headers: { 'content-type': 'application/json' }, text: JSON.stringify({ registrationId }) },
      signal,
    }),
  );
  // 404: no registration yet. DPS has not looked at the certificate then.
  if (answer.status === 404) return undefined;
  const { body, status } = readState(answer);
  const { assignedHub, deviceId } = body.registrationState ?? {};
  if (status === 'assigned' && assignedHub !== undefined && deviceId !== undefined) {
    return assigned(examination, { assignedHub, deviceId }, 'looked up');
  }
  if (status === 'unassigned' || status === 'failed') return undefined;
  return failedBy(
    dpsRefusal(body, {
      identity,
      idScope,
      endpoint,
      answer: { status: answer.status, retryAfterMs: undefined, body },
    }),
  );
}

/** A look-up answers with the registration's state itself, a refusal with an error. */
function readState({ body: bytes, status: httpStatus }: HttpsAnswer): { body: DpsBody; status: string | undefined } {
  const text = bytes.toString();
  try {
    const body = JSON.parse(text) as DpsBody & NonNullable<DpsBody['registrationState']>;
    return httpStatus < 300 ? { body: { registrationState: body }, status: body.status } : { body, status: undefined };
  } catch {
    return { body: { message: text.slice(0, 200) }, status: undefined };
  }
}

/** What the agent itself would do: DPS answers a registration that it has with the same assignment. */
async function register(examination: Examination, provisioning: ProvisioningService): Promise<Outcome> {
  const assignment = await registerDevice({
    identity: found(examination.findings.identity, 'the identity'),
    provisioning,
    payload: examination.options.provisioningPayload,
    openStream: opener(examination, chosenTransport(examination, 'dps')),
    signal: examination.options.signal,
    clock: examination.clock,
    random: Math.random,
  });
  return assigned(examination, assignment, 'registered, as the agent does');
}

function assigned(
  { findings }: Examination,
  { assignedHub, deviceId }: { readonly assignedHub: string; readonly deviceId: string },
  how: string,
): Outcome {
  const kept = findings.keptAssignment?.assignedHub;
  findings.hub ??= { hostName: assignedHub, deviceId };
  if (kept !== undefined && kept !== assignedHub) {
    return warning(
      `DPS has ${deviceId} at ${assignedHub} (${how}), and the agent keeps ${kept}`,
      'The agent follows by itself as soon as the old hub refuses it; have it reprovision where it is to move now.',
    );
  }
  return ok(`${deviceId} belongs to ${assignedHub} (${how})`);
}
