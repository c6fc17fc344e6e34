import { expect, it } from '@jest/globals';
import type { CertificateRecord, Inventory, NewCertificate } from '../src/inventory/index.ts';
import { exportCsv, exportNdjson } from '../src/inventory/index.ts';
import {
  certificateOf,
  collect,
  describeOnBothEngines,
  expectRefusal,
  responsible,
  start,
} from './inventory-engines.ts';

const line2 = { line: 'Line 2', lineKeyIdentifier: 'bb'.repeat(20) };
const line = { line: 'Line 1', lineKeyIdentifier: 'aa'.repeat(20) };

async function issue(inventory: Inventory, ...certificates: NewCertificate[]): Promise<CertificateRecord[]> {
  await inventory.record({ ...responsible, issued: { ...line, certificates } });
  const ids = certificates.map(({ registrationId }) => registrationId);
  const current = await inventory.findCurrent(ids);
  return ids.map((id) => current.get(id)!);
}

describeOnBothEngines('inventory', (createPlace) => {
  it('tells who was issued what, when, from which line, on whose order, until when', async () => {
    const inventory = await (await createPlace()).open({ now: () => start });
    const certificate = certificateOf('thermostat-1');
    const [record] = await issue(inventory, certificate);
    expect(record).toEqual({
      ...certificate,
      id: 1,
      generation: 1,
      issuedAt: start,
      ...line,
      ...responsible,
      state: 'issued',
      changedAt: start,
      reason: undefined,
      renewedBy: undefined,
    });
    await inventory.close();
  });

  it('is there when it is opened again', async () => {
    const place = await createPlace();
    const first = await place.open();
    await issue(first, certificateOf('a'), certificateOf('b'));
    await first.close();
    const again = await place.open();
    expect((await collect(again.find())).map(({ registrationId }) => registrationId)).toEqual(['a', 'b']);
    await again.close();
  });

  it('is made where it is missing, unless it must be there', async () => {
    const place = await createPlace();
    for (let attempt = 0; attempt < 2; attempt += 1) {
      await expectRefusal(place.open({ mustExist: true }), 'ERR_PKI_INVENTORY_UNAVAILABLE', /no inventory/);
    }
    await (await place.open()).close();
    const inventory = await place.open({ mustExist: true });
    await issue(inventory, certificateOf('a'));
    expect((await inventory.verifyAudit()).certificates).toBe(1);
    await inventory.close();
  });

  it('refuses a registration ID that another station has issued, and writes nothing of the batch', async () => {
    const place = await createPlace();
    const [one, two] = [await place.open(), await place.open()];
    await issue(one, certificateOf('b'));
    const batch = {
      ...responsible,
      station: 'station-2',
      issued: { ...line, certificates: ['a', 'b'].map((id) => certificateOf(id)) },
    };
    await expectRefusal(two.record(batch), 'ERR_PKI_ALREADY_ISSUED', /"b".*station-1/);
    expect(await collect(two.find())).toHaveLength(1);
    await one.close();
    await two.close();
  });

  it('lets one of many stations win that issue the same device at the same time', async () => {
    const place = await createPlace();
    const stations = await Promise.all([1, 2, 3].map(() => place.open()));
    const results = await Promise.allSettled(stations.map((station) => issue(station, certificateOf('contested'))));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await collect(stations[0]!.find())).toHaveLength(1);
    expect((await stations[0]!.verifyAudit()).isIntact).toBe(true);
    for (const station of stations) await station.close();
  });

  it('refuses a serial number that is there already', async () => {
    const inventory = await (await createPlace()).open();
    const first = certificateOf('a');
    await issue(inventory, first);
    const issued = { ...line, certificates: [certificateOf('b', { serialNumber: first.serialNumber })] };
    await expectRefusal(inventory.record({ ...responsible, issued }), 'ERR_PKI_ALREADY_ISSUED', /serial number/);
    await inventory.close();
  });

  it('marks as delivered, and leaves alone what was revoked meanwhile', async () => {
    const inventory = await (await createPlace()).open();
    const records = await issue(inventory, ...['a', 'b', 'c'].map((id) => certificateOf(id)));
    await inventory.revoke({ ...responsible, serialNumber: records[1]!.serialNumber, reason: 'keyCompromise' });
    await inventory.record({ ...responsible, delivered: [{ first: 1, last: 3 }] });
    const states = (await collect(inventory.find())).map(({ state, reason }) => [state, reason]);
    expect(states).toEqual([
      ['delivered', undefined],
      ['revoked', 'keyCompromise'],
      ['delivered', undefined],
    ]);
    expect((await inventory.verifyAudit()).problems).toEqual([]);
    await inventory.close();
  });

  it('renews on request only, once, and tells what took its place', async () => {
    const inventory = await (await createPlace()).open();
    const [old] = await issue(inventory, certificateOf('a'));
    await inventory.record({ ...responsible, delivered: [{ first: 1, last: 1 }] });
    const renewal = certificateOf('a', { replaces: old });
    const [renewed] = await issue(inventory, renewal);
    expect(renewed).toMatchObject({ generation: 2, state: 'issued' });
    await inventory.record({ ...responsible, delivered: [{ first: 2, last: 2 }] });
    expect((await collect(inventory.find()))[0]).toMatchObject({ state: 'renewed', renewedBy: renewal.serialNumber });
    await expectRefusal(
      issue(inventory, certificateOf('a', { replaces: old })),
      'ERR_PKI_ALREADY_ISSUED',
      /"a"|two of these/,
    );
    await inventory.close();
  });

  it('keeps a certificate in use until the next one is delivered, however often that is interrupted', async () => {
    const inventory = await (await createPlace()).open();
    const [old] = await issue(inventory, certificateOf('a'), certificateOf('other'));
    await inventory.record({ ...responsible, delivered: [{ first: 1, last: 2 }] });
    const [lost] = await issue(inventory, certificateOf('a', { replaces: old }));
    const found = async (): Promise<string[]> =>
      (await inventory.history('a')).certificates.map(
        ({ generation, state, renewedBy }) => `${generation} ${state} ${renewedBy ?? '-'}`,
      );
    expect(await found()).toEqual([`1 delivered ${lost!.serialNumber}`, '2 issued -']);
    const [next] = await issue(inventory, certificateOf('a', { replaces: lost }));
    const by = next!.serialNumber;
    expect(await found()).toEqual([`1 delivered ${by}`, `2 abandoned ${by}`, '3 issued -']);
    await inventory.record({ ...responsible, delivered: [{ first: 3, last: 4 }] });
    expect(await found()).toEqual([`1 renewed ${by}`, `2 abandoned ${by}`, '3 delivered -']);
    expect((await inventory.findCurrent(['other'])).get('other')).toMatchObject({ state: 'delivered' });
    expect((await inventory.verifyAudit()).problems).toEqual([]);
    await inventory.close();
  });

  it('keeps the old certificate in use where the next one is revoked before it is delivered', async () => {
    const inventory = await (await createPlace()).open();
    const [old] = await issue(inventory, certificateOf('a'));
    await inventory.record({ ...responsible, delivered: [{ first: 1, last: 1 }] });
    const [next] = await issue(inventory, certificateOf('a', { replaces: old }));
    await inventory.revoke({ ...responsible, serialNumber: next!.serialNumber, reason: 'keyCompromise' });
    await inventory.record({ ...responsible, delivered: [{ first: 2, last: 2 }] });
    expect((await collect(inventory.find())).map(({ state }) => state)).toEqual(['delivered', 'revoked']);
    await inventory.close();
  });

  it('calls abandoned what never left, and keeps a revoked one revoked', async () => {
    const inventory = await (await createPlace()).open();
    const [a, b] = await issue(inventory, certificateOf('a'), certificateOf('b'));
    await inventory.revoke({ ...responsible, serialNumber: b!.serialNumber, reason: 'superseded' });
    await issue(inventory, certificateOf('a', { replaces: a }), certificateOf('b', { replaces: b }));
    const states = (await collect(inventory.find())).map(({ registrationId, state }) => `${registrationId} ${state}`);
    expect(states).toEqual(['a abandoned', 'b revoked', 'a issued', 'b issued']);
    await inventory.close();
  });

  it('refuses to revoke twice, or what it does not know', async () => {
    const inventory = await (await createPlace()).open();
    const [a] = await issue(inventory, certificateOf('a'));
    const revocation = { ...responsible, serialNumber: a!.serialNumber, reason: 'keyCompromise' } as const;
    await inventory.revoke(revocation);
    await expectRefusal(inventory.revoke(revocation), 'ERR_PKI_ALREADY_REVOKED', new RegExp(a!.serialNumber));
    await expectRefusal(inventory.revoke({ ...revocation, serialNumber: '01ff' }), 'ERR_PKI_NOT_IN_INVENTORY', /01ff/);
    await inventory.close();
  });

  it('finds by line, state, order, station, thumbprint and end', async () => {
    const inventory = await (await createPlace()).open();
    const until = (text: string): Date => new Date(text);
    await issue(
      inventory,
      certificateOf('late', { notAfter: until('2027-06-01T00:00:00Z') }),
      certificateOf('early', { notAfter: until('2027-01-01T00:00:00Z') }),
      certificateOf('never', { notAfter: until('2040-01-01T00:00:00Z') }),
    );
    const other = certificateOf('other', { notAfter: until('2027-03-01T00:00:00Z') });
    await inventory.record({ station: 's2', orderedBy: 'o2', issued: { ...line2, certificates: [other] } });
    await inventory.record({ ...responsible, delivered: [{ first: 2, last: 2 }] });
    const ids = async (filter: Parameters<Inventory['find']>[0]): Promise<string[]> =>
      (await collect(inventory.find(filter))).map(({ registrationId }) => registrationId);
    expect(await ids({ line: 'Line 2' })).toEqual(['other']);
    expect(await ids({ lineKeyIdentifier: line2.lineKeyIdentifier })).toEqual(['other']);
    expect(await ids({ line: 'Line 1', states: ['issued'] })).toEqual(['late', 'never']);
    expect(await ids({ states: [] })).toEqual([]);
    expect(await ids({ orderedBy: 'o2', station: 's2' })).toEqual(['other']);
    expect(await ids({ thumbprint: other.thumbprintSha1.replace(/..(?=.)/g, '$&:') })).toEqual(['other']);
    expect(await ids({ thumbprint: other.thumbprintSha256.toLowerCase() })).toEqual(['other']);
    expect(await ids({ endsBefore: until('2027-06-01T00:00:00.001Z') })).toEqual(['early', 'other', 'late']);
    expect(await ids({ endsFrom: until('2027-02-01T00:00:00Z'), endsBefore: until('2028-01-01T00:00:00Z') })).toEqual([
      'other',
      'late',
    ]);
    await expect(ids({ states: ['sold' as 'issued'] })).rejects.toThrow(TypeError);
    await inventory.close();
  });

  it('reads more than one page, in both orders', async () => {
    const inventory = await (await createPlace()).open();
    const certificates = Array.from({ length: 2500 }, (_, index) =>
      certificateOf(`d-${index}`, { notAfter: new Date(start.getTime() + ((index * 7919) % 2500) * 1000) }),
    );
    await inventory.record({ ...responsible, issued: { ...line, certificates } });
    expect(new Set((await collect(inventory.find())).map(({ registrationId }) => registrationId)).size).toBe(2500);
    const byEnd = (await collect(inventory.find({ endsBefore: new Date('2030-01-01') }))).map(({ notAfter }) =>
      notAfter.getTime(),
    );
    expect(byEnd).toHaveLength(2500);
    expect(byEnd).toEqual([...byEnd].sort((a, b) => a - b));
    await inventory.close();
  });

  it('tells the history of one device', async () => {
    let now = start.getTime();
    const inventory = await (await createPlace()).open({ now: () => new Date((now += 1000)) });
    const [old] = await issue(inventory, certificateOf('a'), certificateOf('b'));
    await inventory.record({ ...responsible, delivered: [{ first: 1, last: 2 }] });
    const [renewed] = await issue(inventory, certificateOf('a', { replaces: old }));
    await inventory.record({ ...responsible, delivered: [{ first: 3, last: 3 }] });
    await inventory.revoke({
      station: 'office',
      orderedBy: 'incident 5',
      serialNumber: renewed!.serialNumber,
      reason: 'keyCompromise',
    });
    const { certificates, events } = await inventory.history('a');
    expect(certificates.map(({ state }) => state)).toEqual(['renewed', 'revoked']);
    expect(events.map(({ action, orderedBy, detail }) => [action, orderedBy, detail])).toEqual([
      ['issued', 'order 4711', undefined],
      ['delivered', 'order 4711', undefined],
      ['issued', 'order 4711', undefined],
      ['delivered', 'order 4711', undefined],
      ['renewed', 'order 4711', undefined],
      ['revoked', 'incident 5', 'keyCompromise'],
    ]);
    expect(events.map(({ at }) => at.getTime())).toEqual(
      [1, 2, 3, 4, 4, 5].map((step) => start.getTime() + step * 1000),
    );
    await expectRefusal(inventory.history('nobody'), 'ERR_PKI_NOT_IN_INVENTORY', /nobody/);
    await inventory.close();
  });

  it('numbers revocation lists for each line', async () => {
    const inventory = await (await createPlace()).open();
    expect(await inventory.takeCrlNumber({ ...responsible, ...line })).toBe(1);
    expect(await inventory.takeCrlNumber({ ...responsible, ...line2 })).toBe(1);
    expect(await inventory.takeCrlNumber({ ...responsible, ...line })).toBe(2);
    await inventory.close();
  });

  it('exports CSV and NDJSON', async () => {
    const inventory = await (await createPlace()).open({ now: () => start });
    const certificate = certificateOf('a');
    await inventory.record({ station: 's', orderedBy: 'say "1,2"', issued: { ...line, certificates: [certificate] } });
    const csv = (await collect(exportCsv(inventory.find()))).join('');
    expect(csv.split('\r\n')[0]).toBe(
      'registrationId,generation,serialNumber,state,reason,line,lineKeyIdentifier,station,orderedBy,issuedAt,changedAt,notBefore,notAfter,thumbprintSha1,thumbprintSha256,keyIdentifier,renewedBy',
    );
    expect(csv.split('\r\n')[1]).toBe(
      `a,1,${certificate.serialNumber},issued,,Line 1,${line.lineKeyIdentifier},s,"say ""1,2""",2026-11-01T08:00:00.000Z,2026-11-01T08:00:00.000Z,` +
        `2026-11-01T08:00:00.000Z,2028-11-01T08:00:00.000Z,${certificate.thumbprintSha1},${certificate.thumbprintSha256},${certificate.keyIdentifier},`,
    );
    const ndjson = (await collect(exportNdjson(inventory.find()))).join('');
    expect(JSON.parse(ndjson)).toMatchObject({
      registrationId: 'a',
      orderedBy: 'say "1,2"',
      issuedAt: start.toISOString(),
    });
    await inventory.close();
  });

  it('lets one program at a time issue as a station', async () => {
    const place = await createPlace();
    const [one, two] = [await place.open(), await place.open()];
    const claim = await one.claimStation('station-1');
    await expectRefusal(two.claimStation('station-1'), 'ERR_PKI_STATION_BUSY', /station-1/);
    const other = await two.claimStation('station-2');
    await other.release();
    await claim.release();
    const again = await two.claimStation('station-1');
    again.check();
    await again.release();
    await one.close();
    await two.close();
  });

  it('refuses wrong argument types', async () => {
    const inventory = await (await createPlace()).open();
    await expect(inventory.record({ station: '', orderedBy: 'x' })).rejects.toThrow(TypeError);
    await expect(inventory.record({ station: 's', orderedBy: 7 as unknown as string })).rejects.toThrow(TypeError);
    await expect(inventory.claimStation('x'.repeat(65))).rejects.toThrow(TypeError);
    await inventory.close();
  });
});
