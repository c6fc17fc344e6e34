import { describe, expect, it } from '@jest/globals';
import { HubError } from '../src/hub/hub-error.ts';
import type { JsonObject } from '../src/hub/json.ts';
import { parseQuery } from '../src/hub-query/query-parser.ts';
import { runQuery } from '../src/hub-query/run-query.ts';

const rows: readonly JsonObject[] = [
  { deviceId: 'a', status: 'enabled', tags: { line: '1', floor: 1, list: ['x', 2] }, capabilities: { iotEdge: true } },
  {
    deviceId: 'b',
    status: 'disabled',
    tags: { line: '2', floor: 2.5, 'a-b': "it's" },
    capabilities: { iotEdge: false },
  },
  { deviceId: 'c', status: 'enabled', tags: { line: null }, capabilities: { iotEdge: false } },
];

function run(query: string): readonly JsonObject[] {
  return runQuery(parseQuery(query), rows).rows;
}

function select(where: string): string {
  return run(`SELECT * FROM devices WHERE ${where}`)
    .map(({ deviceId }) => deviceId as string)
    .join('');
}

function failure(query: string): unknown {
  try {
    parseQuery(query);
    return undefined;
  } catch (error) {
    return error instanceof HubError ? [error.errorName, error.message] : error;
  }
}

describe('queries', () => {
  it.each(['SELECT * FROM devices', 'select * from devices', '  SELECT\n*\tFROM Devices '])(
    'ok: %j selects all',
    (query) => {
      expect(run(query)).toHaveLength(3);
    },
  );

  it.each([
    ["deviceId = 'a'", 'a'],
    ["DEVICEID = 'a'", 'a'],
    ["deviceId != 'a'", 'bc'],
    ["deviceId <> 'a'", 'bc'],
    ["deviceId >= 'b'", 'bc'],
    ["deviceId < 'b'", 'a'],
    ["deviceId IN ['a', 'c', 'x']", 'ac'],
    ["deviceId NIN ['a', 'c']", 'b'],
    ["tags.line IN ['1']", 'a'],
    ['tags.floor > 1', 'b'],
    ['tags.floor <= 2.5', 'ab'],
    ['tags.floor = 0x1', 'a'],
    ['tags.floor > -1e1', 'ab'],
    ["tags.a-b = 'it\\'s'", 'b'],
    ['tags.a-b = "it\\u0027s"', 'b'],
    ['capabilities.iotEdge = true', 'a'],
    ['capabilities.iotEdge', 'a'],
    ['NOT capabilities.iotEdge', 'bc'],
    ['tags.line = null', 'c'],
    ['is_defined(tags.floor)', 'ab'],
    ['NOT IS_DEFINED(tags.floor)', 'c'],
    ["status = 'enabled' AND tags.floor = 1", 'a'],
    ["status = 'disabled' OR tags.floor = 1", 'ab'],
    ["status = 'disabled' OR status = 'enabled' AND deviceId = 'c'", 'bc'],
    ["(status = 'disabled' OR status = 'enabled') AND deviceId = 'c'", 'c'],
    // What can't be told drops the row, negated or not.
    ["tags.missing = 'x'", ''],
    ["tags.missing != 'x'", ''],
    ["NOT tags.missing = 'x'", ''],
    ["tags.missing = 'x' OR deviceId = 'a'", 'a'],
    ["NOT (tags.missing = 'x' AND deviceId = 'a')", 'bc'],
    ["tags = 'x'", ''],
    ["tags.floor > 'x'", ''],
    ["tags.missing IN ['x']", ''],
    ["tags.missing NIN ['x']", ''],
    ['deviceId = undefined', ''],
    ["ARRAY_CONTAINS(tags.list, 'x')", 'a'],
    ["array_contains(tags.line, 'x')", ''],
    ['tags.floor + 1 = 2', 'a'],
    ['tags.floor - 1 > 1', 'b'],
    ['2 * (tags.floor + 1) >= 7', 'b'],
    ['1 / (tags.floor - 1) > 0', 'b'],
    ['deviceId + 1 = 2', ''],
    ['NOT (tags.floor > 1 OR tags.floor < 1)', 'a'],
  ])('ok: WHERE %s', (where, found) => {
    expect(select(where)).toBe(found);
  });

  it.each<[string, readonly JsonObject[]]>([
    ['SELECT TOP 2 * FROM devices', [rows[0]!, rows[1]!]],
    ['SELECT DeviceId, STATUS FROM devices WHERE tags.floor = 1', [{ deviceId: 'a', status: 'enabled' }]],
    [
      'select tags.line as line, tags.floor from devices',
      [{ line: '1', floor: 1 }, { line: '2', floor: 2.5 }, { line: null }],
    ],
    ['SELECT tags.floor * 2 + 1 AS n FROM devices WHERE tags.floor % 2 = 1', [{ n: 3 }]],
    ['SELECT -(tags.floor - 1) / 2 AS n FROM devices', [{ n: 0 }, { n: -0.75 }, {}]],
    ['SELECT COUNT() AS n FROM devices', [{ n: 3 }]],
    ["SELECT COUNT() AS n FROM devices WHERE deviceId = 'x'", [{ n: 0 }]],
    [
      'SELECT status, COUNT() AS n, SUM(tags.floor) AS sum FROM devices GROUP BY status',
      [
        { status: 'enabled', n: 2, sum: 1 },
        { status: 'disabled', n: 1, sum: 2.5 },
      ],
    ],
    ['SELECT TOP 1 status, COUNT() AS n FROM devices GROUP BY status', [{ status: 'enabled', n: 2 }]],
    [
      'SELECT AVG(tags.floor) AS avg, MIN(tags.floor) AS min, MAX(tags.floor) AS max FROM devices',
      [{ avg: 1.75, min: 1, max: 2.5 }],
    ],
    [
      'SELECT MIN(deviceId) AS first, MAX(deviceId) AS last, AVG(deviceId) AS none FROM devices',
      [{ first: 'a', last: 'c' }],
    ],
    [
      'SELECT tags.floor, COUNT() AS n FROM devices GROUP BY tags.floor',
      [{ floor: 1, n: 1 }, { floor: 2.5, n: 1 }, { n: 1 }],
    ],
  ])('ok: %s', (query, found) => {
    expect(run(query)).toEqual(found);
  });

  it('ok: x-ms-item-type is Twin for *, else Raw', () => {
    const typeOf = (query: string) => runQuery(parseQuery(query), rows).itemType;
    expect(typeOf('SELECT * FROM devices.modules')).toBe('Twin');
    expect(typeOf('SELECT deviceId FROM devices')).toBe('Raw');
    expect(typeOf('SELECT COUNT() AS n FROM devices')).toBe('Raw');
  });

  it.each([
    ['SELECT * FROM devices.jobs', 'FROM devices.jobs'],
    ['SELECT * FROM devices ORDER BY deviceId', 'ORDER'],
    ['SELECT * FROM devices AS d', 'AS'],
    ['SELECT * FROM devices JOIN x', 'JOIN'],
    ["SELECT * FROM devices WHERE STARTSWITH(deviceId, 'x')", 'the function STARTSWITH here'],
    ['SELECT * FROM devices WHERE IS_NUMBER(tags.floor)', 'the function IS_NUMBER here'],
    [
      'SELECT COUNT() FROM devices',
      "the column COUNT without a name (AS ..): Azure doesn't document what it is called",
    ],
    [
      'SELECT tags.floor + 1 FROM devices',
      "the column tags.floor without a name (AS ..): Azure doesn't document what it is called",
    ],
  ])('fail: %s is beyond the emulator, which says so', (query, what) => {
    expect(failure(query)).toEqual(['NotImplemented', `the emulator's queries don't support ${what}`]);
  });

  it.each([
    ['SELECT TOP 0 * FROM devices', "a number after TOP expected, '0' found"],
    ['SELECT * FROM devices GROUP BY status', 'SELECT * with GROUP BY'],
    ['SELECT deviceId, COUNT() AS n FROM devices GROUP BY status', 'column deviceId has to be in GROUP BY'],
    ['SELECT deviceId, COUNT() AS n FROM devices', 'column deviceId has to be in GROUP BY'],
    ['SELECT SUM() AS n FROM devices', "a path expected, ')' found"],
    ['SELECT deviceId AS FROM', "FROM expected, 'the end' found"],
    ['SELECT COUNT( FROM devices', "')' expected, 'FROM' found"],
    ["SELECT * FROM devices WHERE ARRAY_CONTAINS(a, 'x'", "')' expected, 'the end' found"],
    ['SELECT * FROM devices WHERE a + = 1', "a path or a value expected, '=' found"],
  ])('fail: %s', (query, text) => {
    expect(failure(query)).toEqual(['ArgumentInvalid', `query: ${text}`]);
  });

  it.each([
    ['', "SELECT expected, 'the end' found"],
    ['SELECT * devices', "FROM expected, 'devices' found"],
    ['SELECT * FROM', "a collection expected, 'the end' found"],
    ['SELECT * FROM devices WHERE', "a path or a value expected, 'the end' found"],
    ["SELECT * FROM devices WHERE deviceId = 'a", "unexpected ''' at 40"],
    ['SELECT * FROM devices WHERE a = ', "a path or a value expected, 'the end' found"],
    ['SELECT * FROM devices WHERE (a = 1', "')' expected, 'the end' found"],
    ['SELECT * FROM devices WHERE a IN [1', "']' expected, 'the end' found"],
    ['SELECT * FROM devices WHERE a IN 1', "'[' expected, '1' found"],
    ['SELECT * FROM devices WHERE a = 1 b', "unexpected 'b'"],
    ['SELECT * FROM devices; DROP', "unexpected ';' at 22"],
    [`SELECT * FROM devices WHERE a = '${'x'.repeat(8192)}'`, 'a query may have 8192 characters'],
  ])('fail: %s', (query, text) => {
    expect(failure(query)).toEqual(['ArgumentInvalid', `query: ${text}`]);
  });
});
