/**
 * What people do in a live slot outlives its updates: typing, choosing, selecting, scrolling, opening.
 */
import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import type { Page } from 'playwright-core'
import { type Hub, MultiStreamManager } from '../../src'
import { closeBrowser, until } from '../support/browser'
import { openRoom } from '../support/runtime-room'

setDefaultTimeout(30_000)
afterAll(closeBrowser)

interface Form {
  id: string
  n: number
}

/** A form whose every part the server changes, too. Only one field has an id. */
const render = ({ n }: Form) => (
  <form>
    <p class="n">{n}</p>
    <input name="typing" value={`of the server ${n}`} placeholder={`hint ${n}`} />
    <input name="typed" value={`of the server ${n}`} />
    <input id="untouched" name="untouched" value={`of the server ${n}`} />
    <input type="checkbox" name="agreed" />
    <select name="colour">
      <option>red</option>
      <option>green</option>
      <option>{`blue ${n}`}</option>
    </select>
    <textarea name="text">{`of the server ${n}`}</textarea>
    <details>
      <summary>More</summary>
      <p>{`more ${n}`}</p>
    </details>
    <div class="box">
      <div class="tall">{`tall ${n}`}</div>
    </div>
    <ul>
      {Array.from({ length: n % 5 }, (_, i) => (
        <li>{i}</li>
      ))}
    </ul>
  </form>
)

function declareForms(hub: Hub) {
  const form: Form = { id: '1', n: 0 }
  const forms = new MultiStreamManager<Form>(hub, { name: 'form', getEntity: () => form })
    .register({ name: 'default', kind: 'state', render })
    .register({ name: 'morph', kind: 'state', swap: 'morph', render })
    .register({ name: 'link', kind: 'state', render: ({ n }) => <a href="#here">{`link ${n}`}</a> })
  return { form, forms }
}

/** What a person has done, as the page has it now. */
function state(page: Page) {
  return page.evaluate(() => {
    const form = document.forms[0] as HTMLFormElement
    const field = <Type extends Element>(name: string) =>
      form.elements.namedItem(name) as unknown as Type
    const typing = field<HTMLInputElement>('typing')
    const { remembered } = globalThis as unknown as { remembered?: Element }
    return {
      n: form.querySelector('.n')?.textContent,
      typing: typing.value,
      caret: [typing.selectionStart, typing.selectionEnd],
      isFocused: document.activeElement === typing,
      isSame: remembered === typing,
      hint: typing.placeholder,
      typed: field<HTMLInputElement>('typed').value,
      untouched: field<HTMLInputElement>('untouched').value,
      agreed: field<HTMLInputElement>('agreed').checked,
      colour: field<HTMLSelectElement>('colour').selectedIndex,
      text: field<HTMLTextAreaElement>('text').value,
      isOpen: form.querySelector('details')?.open,
      more: form.querySelector('details > p')?.textContent,
      scrolled: form.querySelector('.box')?.scrollTop,
      items: form.querySelectorAll('li').length,
      selection: getSelection()?.toString(),
    }
  })
}

const scripts = (page: Page) =>
  page.evaluate(() =>
    performance
      .getEntriesByType('resource')
      .map(({ name }) => name)
      .filter((name) => name.endsWith('idiomorph.js')),
  )

describe.each([2, 4] as const)('htmx %d', (htmx) => {
  test.each(['default', 'morph'] as const)(
    'H-12 what was typed, chosen, selected, scrolled and opened outlives 20 updates, swap %s',
    async (stream) => {
      let made: ReturnType<typeof declareForms> | undefined
      await using room = await openRoom({ htmx }, ({ hub }) => {
        const { form, forms } = declareForms(hub)
        made = { form, forms }
        return {
          '/': async () => (
            <>
              {forms.element('1', stream, {
                as: 'div',
                id: 'slot',
                content: await forms.initial(form, stream),
              })}
              <p id="outside">Some text that is selected</p>
            </>
          ),
        }
      })
      if (!made) throw new Error('There is no form')
      const { form, forms } = made
      const tab = await room.open()
      await room.live(tab)
      const { page } = tab
      const update = async () => {
        form.n++
        await forms.publish('1', stream, { ...form })
        await until(async () => (await state(page)).n === String(form.n), {
          what: `update ${form.n}`,
        })
      }
      await page.fill('[name=typed]', 'typed before')
      await page.check('[name=agreed]')
      await page.selectOption('[name=colour]', 'green')
      await page.fill('textarea', 'a letter')
      await page.click('summary')
      await page.$eval('.box', (box) => box.scrollTo(0, 140))
      await page.fill('[name=typing]', 'hello')
      await page.$eval('[name=typing]', (input) => {
        ;(input as HTMLInputElement).setSelectionRange(3, 3)
        ;(globalThis as unknown as { remembered: Element }).remembered = input
      })
      // Between each two updates a letter is typed where the caret stands.
      const letters = 'abcdefghijklmnopqrst'
      for (const letter of letters) {
        await update()
        await page.keyboard.type(letter)
      }
      const kept = {
        n: '20',
        typing: `hel${letters}lo`,
        caret: [23, 23],
        isFocused: true,
        isSame: true,
        hint: 'hint 20',
        typed: 'typed before',
        untouched: 'of the server 20',
        agreed: true,
        colour: 1,
        text: 'a letter',
        isOpen: true,
        more: 'more 20',
        scrolled: 140,
        items: 0,
      }
      expect(await state(page)).toMatchObject(kept)

      // A part of the field is selected, then text outside of the slot.
      await page.$eval('[name=typing]', (input) =>
        (input as HTMLInputElement).setSelectionRange(2, 5),
      )
      await update()
      expect(await state(page)).toMatchObject({ caret: [2, 5], isFocused: true, hint: 'hint 21' })
      await page.evaluate(() => {
        ;(document.activeElement as HTMLElement).blur()
        getSelection()?.selectAllChildren(document.getElementById('outside') as Element)
      })
      for (let i = 0; i < 3; i++) await update()
      expect(await state(page)).toMatchObject({
        ...kept,
        n: '24',
        caret: expect.any(Array),
        isFocused: false,
        hint: 'hint 24',
        untouched: 'of the server 24',
        more: 'more 24',
        items: 4,
        selection: 'Some text that is selected',
      })
      expect(await scripts(page)).toHaveLength(htmx === 2 ? 1 : 0)
      await room.end()
    },
  )

  test('H-12 a slot with nothing but text loads no script for it; with the focus in it the focus stays', async () => {
    let made: ReturnType<typeof declareForms> | undefined
    await using room = await openRoom({ htmx }, ({ hub }) => {
      made = declareForms(hub)
      const { forms, form } = made
      return {
        '/': async () =>
          forms.element('1', 'link', {
            id: 'slot',
            content: await forms.initial(form, 'link'),
          }),
      }
    })
    if (!made) throw new Error('There is no form')
    const { form, forms } = made
    const tab = await room.open()
    await room.live(tab)
    const update = async () => {
      form.n++
      await forms.publish('1', 'link', { ...form })
      await until(async () => (await tab.text('#slot')) === `link ${form.n}`)
    }
    await update()
    expect(await scripts(tab.page)).toEqual([])
    await tab.page.focus('#slot > a')
    for (let i = 0; i < 5; i++) {
      await update()
      expect(await tab.page.evaluate(() => document.activeElement?.textContent)).toBe(
        `link ${form.n}`,
      )
    }
    await room.end()
  })
})
