/**
 * `text/event-stream` by the WHATWG HTML standard, section 9.2.6, from bytes in whatever pieces they come.
 */

/**
 * A block with its data, or an id alone; the id is the one that stands in the block, unlike the standard's. What has no
 * name says its topic in a field of its own.
 */
export type Block = [
  name: string,
  data: string | undefined,
  id?: string | undefined,
  topic?: string | undefined,
]

/**
 * Makes a function that takes bytes and gives the blocks that they complete.
 *
 * @param retry is told the server's wish for the time between two tries, in milliseconds
 */
export function parser(retry: (milliseconds: number) => void): (bytes: Uint8Array) => Block[] {
  // It takes a byte order mark away, at the beginning only.
  const decoder = new TextDecoder()
  let rest = ''
  let name = ''
  let data: string | undefined
  let id: string | undefined
  let topic: string | undefined

  return (bytes) => {
    const blocks: Block[] = []
    // A CR at the end may be half of a line's end.
    const lines = (rest + decoder.decode(bytes, { stream: true })).split(/\r\n|\n|\r(?!$)/)
    rest = lines.pop() as string
    for (const line of lines) {
      const [field, value = ''] = line.split(/: ?(.*)/s)
      if (field === 'data') data = data?.concat('\n', value) ?? value
      if (field === 'event') name = value
      if (field === 'topic') topic = value
      if (field === 'id' && !value.includes('\0')) id = value
      if (field === 'retry' && /^\d+$/.test(value)) retry(+value)
      if (line) continue
      if ((data ?? id) !== undefined) blocks.push([name || 'message', data, id, topic] as Block)
      name = ''
      data = id = topic = undefined
    }
    return blocks
  }
}
