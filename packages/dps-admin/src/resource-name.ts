import { DpsAdminError } from './errors.ts';

interface NameRule {
  readonly title: string;
  readonly pattern: RegExp;
  readonly words: string;
}

/** Rules of the ARM specification and of the DPS and IoT Hub documents; Azure repeats the check. */
const rules = {
  resourceGroup: {
    title: 'resource group',
    pattern: /^[\p{L}\p{N}_.()-]{0,89}[\p{L}\p{N}_()-]$/u,
    words: '1 to 90 letters, digits, - _ . ( ), not ending with a dot',
  },
  dpsName: {
    title: 'DPS name',
    pattern: /^(?![0-9]+$)(?!-)[a-zA-Z0-9-]{2,49}[a-zA-Z0-9]$/,
    words: '3 to 50 letters, digits and -, with a letter or digit at both ends, not digits alone',
  },
  hubName: {
    title: 'hub name',
    pattern: /^[a-zA-Z0-9][a-zA-Z0-9-]{1,48}[a-zA-Z0-9]$/,
    words: '3 to 50 letters, digits and -, with a letter or digit at both ends',
  },
  certificateName: {
    title: 'certificate name',
    pattern: /^[A-Za-z0-9._-]{1,256}$/,
    words: '1 to 256 letters, digits, - . _',
  },
  enrollmentGroupId: {
    title: 'enrollment group ID',
    pattern: /^[A-Za-z0-9._:-]{0,127}[A-Za-z0-9-]$/,
    words: '1 to 128 letters, digits, - . _ :, the last one a letter, digit or -',
  },
  registrationId: {
    title: 'registration ID',
    pattern: /^[A-Za-z0-9._:-]{0,127}[A-Za-z0-9-]$/,
    words: '1 to 128 letters, digits, - . _ :, the last one a letter, digit or -',
  },
  deviceId: {
    title: 'device ID',
    pattern: /^[A-Za-z0-9\-.%_*?!(),:=@$']{1,128}$/,
    words: "1 to 128 letters, digits and - . % _ * ? ! ( ) , : = @ $ '",
  },
} as const satisfies Record<string, NameRule>;

export type NameKind = keyof typeof rules;

/**
 * @throws {TypeError} not a string
 * @throws {DpsAdminError} ERR_INVALID_INPUT: outside Azure's rules for such a name
 */
export function checkName(kind: NameKind, value: string): void {
  const { title, pattern, words } = rules[kind];
  if (typeof value !== 'string') throw new TypeError(`${kind} has to be a string.`);
  if (!pattern.test(value)) {
    throw new DpsAdminError(
      'ERR_INVALID_INPUT',
      `'${value}' cannot be a ${title}: it has to be ${words}. Choose another one.`,
      {
        advice: 'fix-input',
      },
    );
  }
}
