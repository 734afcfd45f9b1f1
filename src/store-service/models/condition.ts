import type { Store } from './store.js';

/** What is wrong with a store, or going on. */
export interface Condition {
  readonly type: 'Provisioned' | 'Degraded' | 'Decommissioning';
  readonly status: 'True' | 'False' | 'Unknown';
  /** CamelCase, for programs. */
  readonly reason: string;
  /** A sentence for a person. */
  readonly message: string;
  readonly lastTransitionTime: string;
}

/** The conditions of a store, read off its status. */
export function conditionsOf(store: Store<unknown>): Condition[] {
  switch (store.status) {
    case 'PROVISIONING':
      return [
        {
          type: 'Provisioned',
          status: 'False',
          reason: 'AwaitingActivation',
          message: 'The store becomes ACTIVE when a replacement sets its status',
          lastTransitionTime: store.createdAt,
        },
      ];
    case 'ACTIVE':
      return [
        {
          type: 'Provisioned',
          status: 'True',
          reason: 'Activated',
          message: 'The store was set ACTIVE',
          lastTransitionTime: store.activatedAt ?? store.updatedAt,
        },
      ];
    case 'DECOMMISSIONED':
      return [
        {
          type: 'Provisioned',
          status: 'False',
          reason: 'Decommissioned',
          message: 'The store was decommissioned',
          lastTransitionTime: store.decommissionedAt ?? store.updatedAt,
        },
      ];
  }
}
