// Pages of the site that were read, and the tagger's modules, for when there is no network. With one, everything comes fresh from there.
// The model and the runtime are not its job: worker.js keeps those by their hashes
const name = 'scifi-tags-pages', large = /\/web\/model\/|\.wasm$/

addEventListener('install', () => skipWaiting())
addEventListener('activate', e => e.waitUntil(clients.claim()))
addEventListener('message', e => e.waitUntil(caches.open(name).then(c => Promise.allSettled(e.data.map(url => c.add(url))))))
addEventListener('fetch', e => {
  const url = new URL(e.request.url)
  if (e.request.method==='GET' && url.origin===location.origin && !large.test(url.pathname)) e.respondWith(answer(e.request))
})

async function answer(request) {
  const cache = await caches.open(name)
  try {
    const res = await fetch(request)
    if (res.status===200) await cache.put(request, res.clone())
    return res
  } catch (e) {
    const kept = await cache.match(request)
    if (kept) return kept
    throw e
  }
}
