/** How far a long piece of work has come. */
export interface Progress {
  advance(): void;
  /** Ends the display, whether or not all was done. */
  stop(): void;
}

/** Where the stack shows what it does: a terminal, a file, or nowhere. */
export interface StackView {
  /** Shows the title while `work` runs, then what it returned: an address, a count. Errors pass through. */
  stage(title: string, work: () => Promise<string>): Promise<void>;
  progress(title: string, total: number): Progress;
  print(text: string): void;
}
