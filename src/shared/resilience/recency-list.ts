/** A link of a recency list; belongs to one list at a time. */
export interface RecencyLink<Node> {
  newer: Node | undefined;
  older: Node | undefined;
}

/**
 * Nodes in the order of their last use, each step in constant time. A Map could keep that order too, but taking an entry
 * out of a large one and putting it back at every use costs several times as much.
 */
export class RecencyList<Node extends RecencyLink<Node>> {
  #newest: Node | undefined;
  #oldest: Node | undefined;

  get oldest(): Node | undefined {
    return this.#oldest;
  }

  add(node: Node): void {
    node.older = this.#newest;
    node.newer = undefined;
    if (this.#newest) this.#newest.newer = node;
    this.#newest = node;
    this.#oldest ??= node;
  }

  remove(node: Node): void {
    if (node.newer) node.newer.older = node.older;
    else this.#newest = node.older;
    if (node.older) node.older.newer = node.newer;
    else this.#oldest = node.newer;
  }

  use(node: Node): void {
    if (node === this.#newest) return;
    this.remove(node);
    this.add(node);
  }

  clear(): void {
    this.#newest = undefined;
    this.#oldest = undefined;
  }
}
