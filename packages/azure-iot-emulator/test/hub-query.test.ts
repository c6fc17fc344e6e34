import { describe, expect, it } from '@jest/globals';
import { HubError } from '../src/hub/hub-error.ts';
import type { JsonObject } from '../src/hub/json.ts';
import { parseDeviceQuery } from '../src/hub/device-query.ts';

const rows: readonly JsonObject[] = [
  { deviceId: 'a', status: 'enabled', tags: { line: '1', floor: 1 }, capabilities: { iotEdge: true } },
  {
    deviceId: 'b',
    status: 'disabled',
    tags: { line: '2', floor: 2.5, 'a-b': "it's" },
    capabilities: { iotEdge: false },
  },
  { deviceId: 'c', status: 'enabled', tags: { line: null }, capabilities: { iotEdge: false } },
];

function select(where: string): string {
  return rows
    .filter(parseDeviceQuery(`SELECT * FROM devices WHERE ${where}`))
    .map(({ deviceId }) => deviceId as string)
    .join('');
}

function failure(query: string): unknown {
  try {
    parseDeviceQuery(query);
    return undefined;
  } catch (error) {
    return error instanceof HubError ? [error.errorName, error.message] : error;
  }
}

describe('queries', () => {
  it.each(['SELECT * FROM devices', 'select * from devices', '  SELECT\n*\tFROM Devices '])(
    'ok: %j selects all',
    (query) => {
      expect(rows.filter(parseDeviceQuery(query))).toHaveLength(3);
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
  ])('ok: WHERE %s', (where, found) => {
    expect(select(where)).toBe(found);
  });

  it.each([
    ['SELECT deviceId FROM devices', "a SELECT list other than * ('deviceId')"],
    ['SELECT TOP 1 * FROM devices', "a SELECT list other than * ('TOP')"],
    ['SELECT * FROM devices.modules', 'FROM devices.modules'],
    ['SELECT * FROM devices.jobs', 'FROM devices.jobs'],
    ['SELECT * FROM devices GROUP BY status', 'GROUP BY'],
    ["SELECT * FROM devices WHERE array_contains(parentScopes, 'x')", 'the function array_contains'],
  ])('fail: %s is beyond the emulator, which says so', (query, what) => {
    expect(failure(query)).toEqual([
      'NotImplemented',
      `the emulator's queries are SELECT * FROM devices [WHERE ..] and don't support ${what}`,
    ]);
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
