/** Properties of a message as MQTT topics carry them; `null` is a key without a value. */
export type PropertyBag = ReadonlyMap<string, string | null>;

/**
 * Percent-encoded `key=value` pairs joined by `&`. A null value leaves the key alone, an empty one keeps the `=`
 * ("Communicate with an IoT hub using MQTT").
 */
export function encodePropertyBag(properties: PropertyBag): string {
  return [...properties]
    .map(([key, value]) => encodeURIComponent(key) + (value === null ? '' : `=${encodeURIComponent(value)}`))
    .join('&');
}

/** Reads what {@link encodePropertyBag} writes; a leading `?` is passed over. @throws {URIError} malformed escape */
export function decodePropertyBag(text: string): PropertyBag {
  const pairs = text.replace(/^\?/, '').split('&');
  return new Map(
    pairs
      .filter((pair) => pair !== '')
      .map((pair): [string, string | null] => {
        const separator = pair.indexOf('=');
        if (separator === -1) return [decodeURIComponent(pair), null];
        return [decodeURIComponent(pair.slice(0, separator)), decodeURIComponent(pair.slice(separator + 1))];
      }),
  );
}
