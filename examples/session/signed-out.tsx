/** @jsxImportSource @kitajs/html */

/** What stands where one is not signed in; it takes the place of the live page, which closes its connection. */
export function SignedOut() {
  return (
    <main id="page" class="out">
      <h1>You are signed out</h1>
      <p role="status">This page is not live any more.</p>
      <a class="button" href="/">
        Sign in
      </a>
    </main>
  )
}
