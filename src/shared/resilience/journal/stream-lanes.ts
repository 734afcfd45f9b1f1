interface Lane {
  count: number;
  tail: Promise<unknown>;
}

/** Keeps the order of a stream's work although each piece is prepared for a different time; streams do not wait for each other. */
export class StreamLanes {
  readonly #lanes = new Map<string, Lane>();

  get isEmpty(): boolean {
    return this.#lanes.size === 0;
  }

  has(stream: string): boolean {
    return this.#lanes.has(stream);
  }

  /** Runs `submit` with what `prepare` gave, after every earlier piece of the stream was submitted or given up. */
  async run<T, R>(
    stream: string,
    prepare: () => Promise<T>,
    submit: (prepared: T) => Promise<R>,
  ): Promise<R> {
    const lane = this.#lanes.get(stream) ?? { count: 0, tail: Promise.resolve() };
    this.#lanes.set(stream, lane);
    lane.count += 1;
    const predecessor = lane.tail;
    const turn = Promise.withResolvers<undefined>();
    lane.tail = turn.promise;
    const passOn = (): void => {
      turn.resolve(undefined);
    };
    try {
      return await submitInTurn(predecessor, passOn, prepare, submit);
    } finally {
      lane.count -= 1;
      if (lane.count === 0) this.#lanes.delete(stream);
    }
  }
}

async function submitInTurn<T, R>(
  predecessor: Promise<unknown>,
  passOn: () => void,
  prepare: () => Promise<T>,
  submit: (prepared: T) => Promise<R>,
): Promise<R> {
  let result: Promise<R>;
  try {
    const preparing = prepare();
    // also when preparing failed: who comes after must not overtake who came before
    await Promise.allSettled([preparing, predecessor]);
    result = submit(await preparing);
  } finally {
    passOn();
  }
  return result;
}
