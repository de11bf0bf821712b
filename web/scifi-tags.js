// Tags of a question, in the reader's browser: `const tagger = await load(); await tagger.predict('Who trained Batman?')`

// Load the artifact in the folder `base` (its four files) in a worker. `onprogress({loaded, total})` is told the bytes
export async function load({base=new URL('model/', import.meta.url), onprogress=() => {}}={}) {
  const worker = new Worker(new URL('worker.js', import.meta.url), {type: 'module'}), waiting = new Map()
  let last = 0
  worker.onmessage = ({data: {id, value, error, progress}}) => {
    if (progress) return onprogress(progress)
    const {resolve, reject} = waiting.get(id)
    waiting.delete(id)
    error ? reject(error) : resolve(value)
  }
  worker.onerror = e => { for (const {reject} of waiting.values()) reject(new Error(e.message || 'the worker could not be started')); waiting.clear() }
  const ask = (op, args, signal) => new Promise((resolve, reject) => {
    const id = ++last
    waiting.set(id, {resolve, reject})
    signal?.addEventListener('abort', () => worker.postMessage({id, op: 'cancel'}))
    worker.postMessage({id, op, args})
  })
  base = new URL(String(base).replace(/\/?$/, '/'), document.baseURI).href
  return {
    ...await ask('load', {base}).catch(e => { worker.terminate(); throw e }),
    predict: (text, options={}) => ask('predict', {text, options}),
    explain: (text, tag, {signal, ...options}={}) => ask('explain', {text, tag, options}, signal),
    close: () => worker.terminate(),
  }
}
