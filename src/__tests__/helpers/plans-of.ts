import { withClient } from '../../dev/postgres/admin-client.js';
import type { Queryable } from '../../shared/database/queryable.js';

/** The plans, as JSON, of the statements that `work` would run at this database; none of them is run, and all find nothing. */
export async function plansOf(url: string, work: (db: Queryable) => Promise<unknown>): Promise<string[]> {
  const plans: string[] = [];
  await withClient(url, (client) =>
    work({
      query: async (text, values = []) => {
        const { rows } = await client.query<object>(`EXPLAIN (FORMAT JSON) ${text}`, [...values]);
        plans.push(JSON.stringify(rows));
        return { rows: [], rowCount: 0 };
      },
    }),
  );
  return plans;
}
