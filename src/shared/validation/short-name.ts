const maxShown = 128;

/** A name that a caller has made up, as messages show it: long ones are cut. */
export function shortName(name: string): string {
  return name.length <= maxShown ? name : `${name.slice(0, maxShown)}…`;
}
