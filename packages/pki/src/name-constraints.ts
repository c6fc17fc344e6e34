import { allOf, readElement, readElements, tag, type Element } from './der.ts';
import { readGeneralName, type GeneralName } from './general-name.ts';
import { addressRule, directoryRule, dnsRule, mailRule, uriRule, type NameRule } from './name-rule.ts';

/** What an authority permits and excludes (RFC 5280 section 4.2.1.10). */
export interface NameConstraints {
  permitted: readonly Subtree[];
  excluded: readonly Subtree[];
}

interface Subtree {
  base: GeneralName;
  /** RFC 5280 knows neither minimum nor maximum. */
  hasDistance: boolean;
}

type Judge = (names: readonly GeneralName[], constraints: NameConstraints) => string | undefined;

const judges: Readonly<Record<string, Judge>> = {
  directoryName: judgeBy(directoryRule),
  dNSName: judgeBy(dnsRule),
  rfc822Name: judgeBy(mailRule),
  uniformResourceIdentifier: judgeBy(uriRule),
  iPAddress: judgeBy(addressRule),
};

const [permittedTag, excludedTag, minimumTag] = [0xa0, 0xa1, 0x80];

/** Reads the extension; undefined: it is malformed. */
export function readNameConstraints(der: Uint8Array): NameConstraints | undefined {
  const whole = readElement(der, 0);
  if (whole?.tag !== tag.sequence || whole.end !== der.length) return undefined;
  const lists = readElements(der, whole);
  const subtreesOf = (wanted: number): Subtree[] | undefined => {
    const list = lists?.find((each) => each.tag === wanted);
    return list ? allOf(readElements(der, list)?.map((element) => readSubtree(der, element))) : [];
  };
  const [permitted, excluded] = [subtreesOf(permittedTag), subtreesOf(excludedTag)];
  const order = lists?.map((each) => each.tag).join();
  const isKnown = ['', `${permittedTag}`, `${excludedTag}`, `${permittedTag},${excludedTag}`].includes(order ?? '?');
  return isKnown && permitted && excluded ? { permitted, excluded } : undefined;
}

function readSubtree(der: Uint8Array, element: Element): Subtree | undefined {
  const [first, ...distances] = readElements(der, element) ?? [];
  const base = element.tag === tag.sequence && first ? readGeneralName(der, first) : undefined;
  const isNothing = ({ tag: found, content, end }: Element): boolean =>
    found === minimumTag && der.subarray(content, end).every((octet) => octet === 0);
  return base && { base, hasDistance: !distances.every(isNothing) };
}

/** Why constraints don't let these names pass; undefined: they do. */
export function judgeNames(names: readonly GeneralName[], constraints: NameConstraints): string | undefined {
  const { permitted, excluded } = constraints;
  const limited = new Set([...permitted, ...excluded].map(({ base }) => base.kind));
  for (const kind of new Set(names.map((name) => name.kind))) {
    if (!limited.has(kind)) continue;
    const ofKind = (subtrees: readonly Subtree[]): Subtree[] => subtrees.filter(({ base }) => base.kind === kind);
    const limits = { permitted: ofKind(permitted), excluded: ofKind(excluded) };
    const ownNames = names.filter((name) => name.kind === kind);
    const reason = judgeKind(kind, ownNames, limits);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

function judgeKind(kind: string, names: readonly GeneralName[], limits: NameConstraints): string | undefined {
  const subtrees = [...limits.permitted, ...limits.excluded];
  if (subtrees.some(({ hasDistance }) => hasDistance)) return 'its name constraints have a minimum or a maximum';
  const judge = judges[kind];
  const isReadable = [...names, ...subtrees.map(({ base }) => base)].every(({ octets }) => octets !== undefined);
  return judge && isReadable ? judge(names, limits) : `it limits names of the kind ${kind}, which are not judged here`;
}

/** A name that verifiers read in two ways has to be permitted in both, and excluded in neither. */
function judgeBy<T>({ readName, readBase, isWithin, describe }: NameRule<T>): Judge {
  const basesOf = (subtrees: readonly Subtree[]): T[] | undefined =>
    allOf(subtrees.map(({ base: { octets } }) => octets && readBase(octets)));
  return (names, limits) => {
    const [permitted, excluded] = [basesOf(limits.permitted), basesOf(limits.excluded)];
    if (!permitted || !excluded)
      return `one of its constraints on names of the kind ${names[0]?.kind ?? ''} is malformed`;
    for (const { kind, octets = new Uint8Array() } of names) {
      const readings = readName(octets);
      const words = `the ${kind} ${describe(octets)}`;
      if (!readings) return `${words} is malformed, or of a form that can't be compared with its constraints`;
      const holds = (bases: readonly T[]) => (name: T) => bases.some((base) => isWithin(name, base));
      if (permitted.length > 0 && !readings.every(holds(permitted)))
        return `${words} is not among those that it permits`;
      if (readings.some(holds(excluded))) return `it excludes ${words}`;
    }
    return undefined;
  };
}
