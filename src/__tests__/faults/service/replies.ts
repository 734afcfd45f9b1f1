import type { HttpRecorder } from './http-recorder.js';

/** What a recorder was answered so far that matches, such as `GET 503` or `no_answer`, and how often. */
export function repliesLike(
  { replies }: HttpRecorder,
  pattern: RegExp,
): readonly (readonly [string, number])[] {
  return [...replies].filter(([what]) => pattern.test(what));
}

export function countLike(recorder: HttpRecorder, pattern: RegExp): number {
  return repliesLike(recorder, pattern).reduce((sum, [, count]) => sum + count, 0);
}
