/** One thing that cannot be used. */
export interface Obstacle {
  /** What it is about: a node, an address, a variable. */
  readonly where: string;
  /** What is wrong, as a part of a sentence. */
  readonly reason: string;
  /** What to do about it, as a sentence. */
  readonly remedy: string;
}

/** Something outside of the program is in the way, and an operator can change that. Its message holds no credentials. */
export class OperatorError extends Error {
  constructor(
    readonly summary: string,
    readonly obstacles: readonly Obstacle[],
    options?: ErrorOptions,
  ) {
    super([`${summary}:`, ...obstacles.map(toLine)].join('\n'), options);
    this.name = 'OperatorError';
  }
}

function toLine({ where, reason, remedy }: Obstacle): string {
  return `  ${where}: ${reason}. ${remedy}`;
}
