/** The DevTools protocol over a WebSocket: a call is answered, an event may be waited for. */

interface Message {
  id?: number
  sessionId?: string
  method?: string
  params?: unknown
  result?: unknown
  error?: { message: string }
}

interface Waiting {
  resolve(result: never): void
  reject(error: Error): void
}

/** What of it speaks to one target; without a session to the browser. */
export interface Session {
  send<Answer = object>(method: string, params?: object): Promise<Answer>
}

/** A connection to a browser. */
export class DevTools implements Session {
  #socket: WebSocket
  #calls = new Map<number, Waiting>()
  #listeners = new Set<(message: Message) => void>()
  #count = 0

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.onmessage = ({ data }) => this.#receive(JSON.parse(data))
    socket.onclose = () => {
      for (const { reject } of this.#calls.values()) reject(new Error('The browser is gone'))
      this.#calls.clear()
    }
  }

  static connect(url: string): Promise<DevTools> {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(url)
      socket.onopen = () => resolve(new DevTools(socket))
      socket.onerror = () => reject(new Error(`No browser listens at ${url}`))
    })
  }

  /** @throws Error with the browser's words. */
  send<Answer = object>(method: string, params: object = {}, sessionId?: string): Promise<Answer> {
    const id = ++this.#count
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve, reject })
      this.#socket.send(JSON.stringify({ id, method, params, sessionId }))
    })
  }

  /** Attaches to a target. */
  async session(targetId: string): Promise<Session> {
    const { sessionId } = await this.send<{ sessionId: string }>('Target.attachToTarget', {
      targetId,
      flatten: true,
    })
    return { send: (method, params) => this.send(method, params, sessionId) }
  }

  /** Is called with each event of that name until the function that it gives is called. */
  on<Params>(method: string, listener: (params: Params) => void): () => void {
    const own = (message: Message) => {
      if (message.method === method) listener(message.params as Params)
    }
    this.#listeners.add(own)
    return () => this.#listeners.delete(own)
  }

  #receive(message: Message): void {
    const call = this.#calls.get(message.id ?? 0)
    if (!call) {
      for (const listener of this.#listeners) listener(message)
      return
    }
    this.#calls.delete(message.id as number)
    if (message.error) call.reject(new Error(message.error.message))
    else call.resolve(message.result as never)
  }
}
