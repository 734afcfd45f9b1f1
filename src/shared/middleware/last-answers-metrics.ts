import type { Metrics } from '../metrics/metrics.js';
import type { LastAnswers } from './last-answers.js';

/** A function that measures what is remembered now. */
export function sampleLastAnswers(answers: LastAnswers, metrics: Metrics): () => void {
  let countedEvictions = 0;
  return () => {
    const { entries, bytes, evictions } = answers.stats();
    metrics.gauge('response_cache_entries', entries);
    metrics.gauge('response_cache_bytes', bytes);
    metrics.count('response_cache_evictions_total', {}, evictions - countedEvictions);
    countedEvictions = evictions;
  };
}
