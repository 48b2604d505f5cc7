/**
 * What axe finds of WCAG 2.2 A and AA on a page as it stands, in light and dark.
 */
import { expect } from 'bun:test'
import axe from 'axe-core'
import type { Page } from 'playwright-core'

const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']

/** Finds nothing to be mended. */
export async function expectAccessible(page: Page): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme })
    // Past the policy of the page, which a script of its own would not be.
    if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe.source)
    const found = await page.evaluate(async (tags) => {
      const { violations } = await (window as unknown as { axe: typeof axe }).axe.run(document, {
        runOnly: { type: 'tag', values: tags },
      })
      return violations.map(({ id, help, nodes }) => ({
        id,
        help,
        nodes: nodes.map(({ html, failureSummary }) => `${html.slice(0, 200)}: ${failureSummary}`),
      }))
    }, tags)
    expect([colorScheme, found]).toEqual([colorScheme, []])
  }
}
