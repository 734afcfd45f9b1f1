import { SingleBar } from 'cli-progress';
import {
  DefaultRenderer,
  Listr,
  type ListrDefaultRendererLogLevels,
  ListrLogger,
  PRESET_TIMER,
  ProcessOutput,
} from 'listr2';
import type { Progress, StackView } from './stack-view.js';

/** Whether there is a terminal is decided by whoever makes the view; Listr would ask `process.stdout`. */
class StageRenderer extends DefaultRenderer {
  static override nonTTY = true;
}

/** Spinners and a progress bar, for a person at a terminal. */
export class TerminalView implements StackView {
  readonly #output: NodeJS.WriteStream;
  readonly #errors: NodeJS.WriteStream;

  /** @param errors is held back while a stage is shown, so that it does not end up amid it */
  constructor(output: NodeJS.WriteStream, errors: NodeJS.WriteStream) {
    this.#output = output;
    this.#errors = errors;
  }

  async stage(title: string, work: () => Promise<string>): Promise<void> {
    const stages = new Listr(
      [
        {
          title,
          task: async (_context, task) => {
            task.title = `${title}: ${await work()}`;
          },
        },
      ],
      {
        // Ours stop the stack in order; Listr's would end the process.
        registerSignalListeners: false,
        renderer: StageRenderer,
        rendererOptions: {
          timer: PRESET_TIMER,
          logger: new ListrLogger<ListrDefaultRendererLogLevels>({
            useIcons: true,
            processOutput: new ProcessOutput(this.#output, this.#errors),
          }),
        },
      },
    );
    await stages.run();
  }

  progress(title: string, total: number): Progress {
    const bar = new SingleBar({
      stream: this.#output,
      format: `${title} {bar} {value} of {total}, {eta_formatted} left`,
      barCompleteChar: '█',
      barIncompleteChar: '░',
      hideCursor: true,
    });
    bar.start(total, 0);
    return {
      advance: () => {
        bar.increment();
      },
      stop: () => {
        bar.stop();
      },
    };
  }

  print(text: string): void {
    this.#output.write(`${text}\n`);
  }
}
