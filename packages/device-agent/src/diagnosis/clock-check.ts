import { requestHttps } from '../network/https-request.ts';
import type { Check, Examination } from './examination.ts';
import { failed, ok, skipped, warning, type Outcome } from './outcome.ts';
import { addressFor, hostOf, namesPort, withTls } from './server.ts';

/** Differences in milliseconds: beyond the first, look; beyond the second, certificates are at risk. */
const [noticeableMs, seriousMs] = [300_000, 86_400_000];

const fix = 'Set the clock (NTP: `timedatectl set-ntp true`), and check what keeps it over a power cut.';

export const clockCheck: Check = {
  name: 'clock',
  title: 'Clock is right',
  run: async (examination) => {
    const { findings, clock } = examination;
    const other = findings.otherClock ?? (await dateOfServer(examination));
    if (other) return compared(other);
    const { serverValidity } = findings;
    if (!serverValidity) return skipped('no other clock was reached');
    const now = clock.now();
    const { notBefore, notAfter, who } = serverValidity;
    const window = `${who} shows a certificate that is valid ${notBefore} to ${notAfter}`;
    if (now >= new Date(notBefore) && now <= new Date(notAfter)) return ok(`${now.toISOString()}; ${window}`);
    return failed(`this device says ${now.toISOString()}, and ${window}`, fix);
  },
};

function compared({ said, at, who }: { said: Date; at: Date; who: string }): Outcome {
  const differenceMs = at.getTime() - said.getTime();
  const detail = `this device says ${at.toISOString()}, ${who} ${said.toISOString()}`;
  if (Math.abs(differenceMs) >= seriousMs) return failed(detail, fix);
  return Math.abs(differenceMs) >= noticeableMs ? warning(detail, fix) : ok(detail);
}

/** Both services answer HTTPS on port 443, and every answer is dated. */
async function dateOfServer(examination: Examination): Promise<{ said: Date; at: Date; who: string } | undefined> {
  const { findings, clock } = examination;
  const host = hostOf(examination, 'dps');
  const canAsk = typeof findings.handshakes.dps === 'number';
  if (host === undefined || !canAsk) return undefined;
  if (!findings.open.dps.has('mqtt-websocket') && !namesPort(host)) return undefined;
  const server = addressFor(host, 'mqtt-websocket');
  return withTls(examination, server, async (socket, { signal }) => {
    const { headers } = await requestHttps(socket, { method: 'GET', host, path: '/', signal });
    const said = new Date(headers.date ?? '');
    return Number.isNaN(said.getTime()) ? undefined : { said, at: clock.now(), who: server.name };
  });
}
