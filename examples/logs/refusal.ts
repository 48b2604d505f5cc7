/** What can not be done, with the status and the sentence that the page shows. */
export class Refusal extends Error {
  constructor(
    readonly status: 400 | 403 | 404 | 409 | 429 | 503,
    sentence: string,
  ) {
    super(sentence)
    this.name = 'Refusal'
  }
}
