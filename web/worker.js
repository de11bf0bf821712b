// The tagger in a worker, so that the page never waits for it. Messages: {id, op, args}; answers: {id, value | error | progress}
import {open} from './tagger.js'

const runtime = new URL('runtime/', import.meta.url).href
let tagger
const running = new Map()

// The bytes at `url`. What has a hash is kept in the browser's cache under it, and asked for only once; what has none is kept for when there is no network
async function read(url, {hash='latest', onread=() => {}}) {
  const cache = await globalThis.caches?.open('scifi-tags').catch(() => {}), key = `${url}?${hash}`
  const kept = () => cache?.match(key).then(o => o?.arrayBuffer())
  const known = hash!=='latest' && await kept()
  if (known) { onread(known.byteLength, known.byteLength); return known }
  try {
    const data = await collect(await ask(url, hash==='latest' ? 'no-cache' : 'default'), onread)
    if (cache) keep(cache, url, key, data).catch(() => {})   // a full disk, or a private window: then it is loaded again the next time
    return data
  } catch (e) { return await kept() ?? Promise.reject(e) }
}

async function ask(url, cache) {
  const res = await fetch(url, {cache})
  if (!res.ok) throw new Error(`${url}: ${res.status} ${res.statusText}`)
  return res
}

async function collect(res, onread) {
  const total = res.headers.get('content-encoding') ? undefined : Number(res.headers.get('content-length')) || undefined, chunks = []
  let loaded = 0
  onread(0, total)
  for (let reader = res.body.getReader(), o; !(o = await reader.read()).done;) { chunks.push(o.value); onread(loaded += o.value.length, total) }
  return new Blob(chunks).arrayBuffer()
}

async function keep(cache, url, key, data) {
  for (const old of await cache.keys()) if (old.url.startsWith(`${url}?`)) await cache.delete(old)
  await cache.put(key, new Response(data))
}

const ops = {
  load: async ({base}, id) => {
    tagger = await open({base, runtime, read, onprogress: progress => postMessage({id, progress})})
    const {tags, thresholds, config, site} = tagger
    return {tags, thresholds, config, site}
  },
  predict: ({text, options}) => tagger.predict(text, options),
  explain: ({text, tag, options}, id, signal) => tagger.explain(text, tag, {...options, signal}),
}

onmessage = async ({data: {id, op, args}}) => {
  if (op==='cancel') return running.get(id)?.abort()
  const abort = new AbortController()
  running.set(id, abort)
  try { postMessage({id, value: await ops[op](args, id, abort.signal)}) }
  catch (error) { postMessage({id, error}) }
  running.delete(id)
}
