/** One part of the stack that is brought up after those before it. */
export interface Stage {
  readonly title: string;
  /** @returns what to show of it: where it listens, what it did */
  start(): Promise<string>;
}
