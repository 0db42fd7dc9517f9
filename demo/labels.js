// How the page calls the stores. Knows nothing of them.

/** By the names that they have in code and in the style sheet. */
export const LABELS = {
  before: 'connect-pg-simple',
  after: 'this store',
  merging: 'this store, merge',
}
