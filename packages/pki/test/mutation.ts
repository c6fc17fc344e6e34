/** Numbers that look random and are the same in every run: what fails can be run again. */
export function seededRandom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    // xorshift32 (Marsaglia 2003)
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

type Mutate = (bytes: Buffer, random: (below: number) => number) => Buffer;

const lengths = [
  '80',
  '81ff',
  '82ffff',
  '83ffffff',
  '847fffffff',
  '84ffffffff',
  '88ffffffffffffffff',
  'ff',
  '00',
  '7f',
];

const splice = (bytes: Buffer, at: number, remove: number, insert: Uint8Array): Buffer =>
  Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(at + remove)]);

/** What happens to files on their way, and what attackers do. */
const mutations: Readonly<Record<string, Mutate>> = {
  'bit flipped': (bytes, random) => {
    const copy = Buffer.from(bytes);
    const at = random(copy.length);
    copy[at] = (copy[at] ?? 0) ^ (1 << random(8));
    return copy;
  },
  'several octets replaced': (bytes, random) => {
    const copy = Buffer.from(bytes);
    for (let count = 1 + random(8); count > 0; count -= 1) copy[random(copy.length)] = random(256);
    return copy;
  },
  'cut off': (bytes, random) => bytes.subarray(0, random(bytes.length)),
  'a piece left out': (bytes, random) => splice(bytes, random(bytes.length), 1 + random(40), Buffer.alloc(0)),
  'a piece twice': (bytes, random) => {
    const at = random(bytes.length);
    return splice(bytes, at, 0, bytes.subarray(at, at + 1 + random(60)));
  },
  'something put in': (bytes, random) =>
    splice(bytes, random(bytes.length), 0, Buffer.from(Array.from({ length: 1 + random(20) }, () => random(256)))),
  'another length': (bytes, random) =>
    splice(bytes, 1 + random(bytes.length - 1), 1, Buffer.from(lengths[random(lengths.length)] ?? '', 'hex')),
  'another tag': (bytes, random) => splice(bytes, random(bytes.length), 1, Uint8Array.of(random(256))),
  'two pieces exchanged': (bytes, random) => {
    const [one, other] = [random(bytes.length), random(bytes.length)].sort((a, b) => a - b) as [number, number];
    return Buffer.concat([bytes.subarray(0, one), bytes.subarray(other), bytes.subarray(one, other)]);
  },
};

/** That many damaged copies, each kind of damage in turn. */
export function* mutate(bytes: Uint8Array, count: number, seed: number): Generator<{ kind: string; bytes: Buffer }> {
  const random = seededRandom(seed);
  const kinds = Object.entries(mutations);
  for (let index = 0; index < count; index += 1) {
    const [kind, change] = kinds[index % kinds.length]!;
    yield { kind: `${kind} (${index})`, bytes: change(Buffer.from(bytes), random) };
  }
}

/** Small files that claim to be deep or large. */
export function bombs(): { kind: string; bytes: Buffer }[] {
  const nested = (unit: string, depth: number): Buffer => Buffer.from(unit.repeat(depth), 'hex');
  return [
    { kind: 'sequences without end, 500,000 deep', bytes: nested('3080', 500_000) },
    { kind: 'sets without end, 500,000 deep', bytes: nested('3180', 500_000) },
    { kind: 'octet strings without end, 500,000 deep', bytes: nested('2480', 500_000) },
    { kind: 'explicit tags, 500,000 deep', bytes: nested('a080', 500_000) },
    { kind: 'sequences of definite length, 2,000 deep', bytes: definite(2_000) },
    { kind: 'a million empty sequences', bytes: wrap(nested('3000', 1_000_000)) },
    { kind: 'two million nulls', bytes: wrap(nested('0500', 2_000_000)) },
    { kind: 'a sequence of 4 GiB', bytes: Buffer.from('3084ffffffff300c', 'hex') },
    { kind: 'an integer of 2 GiB', bytes: Buffer.from('30080284800000000102', 'hex') },
    { kind: 'a length of 127 octets', bytes: Buffer.concat([Buffer.from('30ff', 'hex'), Buffer.alloc(127, 0xff)]) },
    { kind: 'a tag without end', bytes: Buffer.concat([Buffer.from('3f', 'hex'), Buffer.alloc(100_000, 0xff)]) },
    { kind: 'an object identifier of 1 MiB', bytes: wrap(tlv(0x06, Buffer.alloc(1 << 20, 0x81))) },
    { kind: 'an integer of 4 MiB', bytes: wrap(tlv(0x02, Buffer.alloc(4 << 20, 0x7f))) },
    { kind: 'nothing', bytes: Buffer.alloc(0) },
    { kind: 'zeros', bytes: Buffer.alloc(10_000) },
  ];
}

function definite(depth: number): Buffer {
  let bytes: Buffer = Buffer.alloc(0);
  for (let index = 0; index < depth; index += 1) bytes = tlv(0x30, bytes);
  return bytes;
}

const wrap = (content: Buffer): Buffer => tlv(0x30, content);

export function tlv(tag: number, content: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  return Buffer.concat([Uint8Array.of(tag, 0x84), length, content]);
}
