// Changes to recorded sessions, drawn from a seed: the same seed and case number give the same bytes on every machine.

/** mulberry32: small, fast, and good enough to choose mutations. Returns 0 <= x < 1. */
export function createRandom(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    below: (limit) => Math.floor(next() * limit),
    pick: (items) => items[Math.floor(next() * items.length)],
  };
}

const interestingBytes = [
  0x00, 0x01, 0x0a, 0x0d, 0x10, 0x20, 0x30, 0x3f, 0x40, 0x7f, 0x80, 0x82, 0xc0, 0xe0, 0xf0, 0xff,
];
const interestingTexts = [
  '\0',
  '\r\n',
  '#',
  '+',
  '/',
  '%',
  '%zz',
  '..',
  '\ud800',
  '{',
  '[',
  '"',
  '-1',
  '1e999',
  '__proto__',
  '$.',
  '?',
  '&',
];

/** Each takes the chunks of a session, and gives new ones. */
const mutations = [
  // One byte becomes another.
  (chunks, random) => change(chunks, random, (bytes, at) => void (bytes[at] = random.pick(interestingBytes))),
  (chunks, random) => change(chunks, random, (bytes, at) => void (bytes[at] ^= 1 << random.below(8))),
  (chunks, random) => change(chunks, random, (bytes, at) => void (bytes[at] = random.below(256))),
  // A length field, wherever one may be: the first bytes of a packet.
  (chunks, random) => {
    const chunk = random.pick(chunks);
    if (chunk.length > 4) chunk[1 + random.below(4)] = random.pick([0, 1, 0x7f, 0x80, 0xff]);
    return chunks;
  },
  // Bytes go, come, or come twice.
  (chunks, random) =>
    splice(chunks, random, (bytes, at, length) => [bytes.subarray(0, at), bytes.subarray(at + length)]),
  (chunks, random) =>
    splice(chunks, random, (bytes, at, length) => [
      bytes.subarray(0, at),
      Buffer.alloc(length, random.pick(interestingBytes)),
      bytes.subarray(at),
    ]),
  (chunks, random) =>
    splice(chunks, random, (bytes, at, length) => [bytes.subarray(0, at + length), bytes.subarray(at)]),
  (chunks, random) =>
    splice(chunks, random, (bytes, at) => [
      bytes.subarray(0, at),
      Buffer.from(random.pick(interestingTexts).repeat(1 + random.below(4) ** 6)),
      bytes.subarray(at),
    ]),
  // The session ends early, or what comes is in another order, or comes often.
  (chunks, random) => chunks.slice(0, 1 + random.below(chunks.length)),
  (chunks, random) => chunks.slice(random.below(chunks.length)),
  (chunks, random) => {
    const [a, b] = [random.below(chunks.length), random.below(chunks.length)];
    [chunks[a], chunks[b]] = [chunks[b], chunks[a]];
    return chunks;
  },
  (chunks, random) => {
    const at = random.below(chunks.length);
    return [...chunks.slice(0, at), ...Array(1 + random.below(60)).fill(chunks[at]), ...chunks.slice(at)];
  },
  // A chunk of another session.
  (chunks, random, sessions) => {
    const at = random.below(chunks.length + 1);
    return [...chunks.slice(0, at), random.pick(random.pick(sessions)), ...chunks.slice(at)];
  },
  // Other borders between reads.
  (chunks, random) => {
    const bytes = Buffer.concat(chunks);
    const size = 1 + random.below(40);
    const pieces = [];
    for (let at = 0; at < bytes.length && pieces.length < 200; at += size) pieces.push(bytes.subarray(at, at + size));
    return pieces;
  },
  (chunks) => [Buffer.concat(chunks)],
  // Nothing but noise.
  (_chunks, random) => [Buffer.from(Array.from({ length: 1 + random.below(300) }, () => random.below(256)))],
];

function change(chunks, random, edit) {
  const chunk = random.pick(chunks);
  if (chunk.length > 0) edit(chunk, random.below(chunk.length));
  return chunks;
}

function splice(chunks, random, parts) {
  const index = random.below(chunks.length);
  const chunk = chunks[index];
  const at = random.below(chunk.length + 1);
  chunks[index] = Buffer.concat(parts(chunk, at, 1 + random.below(Math.min(64, chunk.length + 1))));
  return chunks;
}

/** The bytes of one case: a session with one to six mutations, as chunks. */
export function mutate(sessions, seed, number) {
  const random = createRandom((seed ^ Math.imul(number + 1, 0x9e3779b1)) >>> 0);
  const chunks = random.pick(sessions).map((chunk) => Buffer.from(chunk));
  return { chunks: mutateChunks(chunks, random, sessions), ending: random.pick(['break', 'end', 'patient']) };
}

/** One to six mutations of chunks, which may take pieces of other sessions. */
export function mutateChunks(session, random, sessions = [session]) {
  let chunks = session;
  const times = 1 + random.below(6);
  for (let time = 0; time < times; time += 1) {
    chunks = random
      .pick(mutations)(chunks, random, sessions)
      .map((chunk) => Buffer.from(chunk));
    // Nothing at all is a session too.
    if (chunks.length === 0) chunks = [Buffer.alloc(0)];
  }
  return chunks;
}
