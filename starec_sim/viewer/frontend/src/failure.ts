import type { Failure } from "./types";

/** A question that the server refused, with its hint. */
export class ApiError extends Error {
  constructor(readonly failure: Failure) {
    super(failure.error);
  }
}

export function asFailure(error: unknown): Failure {
  return error instanceof ApiError ? error.failure : { error: String(error) };
}
