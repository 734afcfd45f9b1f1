import type { Progress, StackView } from './stack-view.js';

const PROGRESS_STEPS = 10;

/** Plain lines without escape codes, for pipes, files and CI. */
export class PlainView implements StackView {
  readonly #output: NodeJS.WritableStream;

  constructor(output: NodeJS.WritableStream) {
    this.#output = output;
  }

  async stage(title: string, work: () => Promise<string>): Promise<void> {
    const start = performance.now();
    const detail = await work();
    this.print(`${title}: ${detail} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
  }

  progress(title: string, total: number): Progress {
    let done = 0;
    const step = Math.max(1, Math.ceil(total / PROGRESS_STEPS));
    return {
      advance: () => {
        done += 1;
        if (done % step === 0 || done === total) this.print(`${title}: ${done} of ${total}`);
      },
      stop: () => undefined,
    };
  }

  print(text: string): void {
    this.#output.write(`${text}\n`);
  }
}
