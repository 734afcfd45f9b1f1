import type { ServiceLab } from './service-lab.js';
import type { ServiceProcess } from './service-process.js';

/** What `/metrics` says at one moment. */
export class MetricsPage {
  readonly #lines: readonly string[];

  private constructor(text: string) {
    this.#lines = text.split('\n');
  }

  static async read(lab: ServiceLab, service?: ServiceProcess): Promise<MetricsPage> {
    return new MetricsPage((await lab.ask('GET', '/metrics', {}, service)).text);
  }

  /** Of all series of a measurement; 0 if there is none. @param labels text that each must have, such as `event="x"` */
  sum(name: string, ...labels: readonly string[]): number {
    return this.#lines
      .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
      .filter((line) => labels.every((label) => line.includes(label)))
      .reduce((total, line) => total + Number(line.split(' ').at(-1)), 0);
  }
}
