import type { StoreFormat, StoreStatus } from './store.js';

export const storeSortKeys = ['code', 'name', 'createdAt', 'updatedAt'] as const;
export type StoreSortKey = (typeof storeSortKeys)[number];

/** Which stores a list holds; all conditions must hold. */
export interface StoreFilter {
  /** Any of these; never empty. */
  readonly status: readonly StoreStatus[];
  readonly region?: string;
  /** ISO 3166-1 alpha-2. */
  readonly country?: string;
  readonly format?: StoreFormat;
  readonly code?: string;
  /** Labels that the store must carry, all of them. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Contained in the name or the code, in any letter case, with or without diacritics. */
  readonly text?: string;
  /** RFC 3339: changed at that time or later. */
  readonly updatedSince?: string;
}

export interface StoreSort {
  readonly key: StoreSortKey;
  readonly isDescending: boolean;
}

/** A place between two stores in a sort order: just after the store with this sort value and id. */
export interface StorePosition {
  readonly value: string;
  readonly id: string;
}

export interface StorePageQuery {
  readonly filter: StoreFilter;
  readonly sort: StoreSort;
  /** Most stores in the page. */
  readonly limit: number;
  /** Where the page begins; at the start of the list when absent. */
  readonly after?: StorePosition;
}

/** One page of a list, and where the next begins when there is one. */
export interface Page<T, P> {
  readonly items: readonly T[];
  readonly next?: P;
}
