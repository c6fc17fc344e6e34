import type { Shelf } from '../data/shelf.ts';
import { looseShelf } from '../data/store.ts';
import type { StoredMap } from '../data/stored-map.ts';
import type { JsonObject } from '../hub/json.ts';
import { GatewayError } from './arm-error.ts';

/** A resource group. */
export interface ResourceGroup {
  readonly name: string;
  /** Lower case without spaces, as Resource Manager writes it. */
  readonly location: string;
  readonly tags: JsonObject | undefined;
}

/** The resource groups of the emulator's subscription; names compare without regard to case. */
export class ResourceGroups {
  readonly #groups: StoredMap<ResourceGroup>;

  constructor(shelf: Shelf = looseShelf()) {
    this.#groups = shelf.map('groups');
  }

  find(name: string): ResourceGroup | undefined {
    return this.#groups.get(name.toLowerCase());
  }

  /** @throws {GatewayError} ResourceGroupNotFound */
  get(name: string): ResourceGroup {
    const group = this.find(name);
    if (group === undefined) {
      throw new GatewayError('ResourceGroupNotFound', `Resource group '${name}' could not be found.`);
    }
    return group;
  }

  list(): readonly ResourceGroup[] {
    return [...this.#groups.values()];
  }

  /** @throws {GatewayError} InvalidResourceGroupLocation: the group exists elsewhere */
  put(
    name: string,
    location: string,
    tags: JsonObject | undefined,
  ): { readonly group: ResourceGroup; readonly isNew: boolean } {
    const stored = this.find(name);
    const normalized = location.toLowerCase().replaceAll(' ', '');
    if (stored !== undefined && stored.location !== normalized) {
      throw new GatewayError(
        'InvalidResourceGroupLocation',
        `Invalid resource group location '${location}'. The Resource group already exists in location '${stored.location}'.`,
      );
    }
    const group = { name: stored?.name ?? name, location: normalized, tags: tags ?? stored?.tags };
    this.#groups.set(name.toLowerCase(), group);
    return { group, isNew: stored === undefined };
  }

  delete(name: string): void {
    this.#groups.delete(name.toLowerCase());
  }
}
