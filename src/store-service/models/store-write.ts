import type { NewStore, ReplaceStore } from './store.js';

/** The versions that a caller takes a store to have, and where the caller said so. */
export interface ExpectedVersion {
  readonly source: 'header' | 'body';
  readonly versions: readonly number[];
  /** Versions that a header named by weak entity tags: they match nothing, and the caller should know why. */
  readonly weakVersions?: readonly number[];
  /** Versions that the store must not have, by a header: `*` for any. */
  readonly ruledOut?: readonly number[] | '*';
}

/** A change that a caller asks for: checked for its form, and still to be held against what is there. */
export type StoreWrite =
  | {
      readonly kind: 'store.create';
      /** The id that the store gets. */
      readonly storeId: string;
      readonly input: NewStore;
    }
  | {
      readonly kind: 'store.replace';
      readonly storeId: string;
      readonly input: ReplaceStore;
      readonly expected: ExpectedVersion;
    }
  | {
      readonly kind: 'store.decommission';
      readonly storeId: string;
      readonly expected: ExpectedVersion;
    };

export const storeWriteKinds = ['store.create', 'store.replace', 'store.decommission'] as const;
export type StoreWriteKind = (typeof storeWriteKinds)[number];
