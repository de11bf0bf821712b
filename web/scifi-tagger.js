// <scifi-tagger>: a box to type a question in, and its tags while you type. The contents of the element are shown until then.
// Attributes: base (folder of an artifact; `model/` beside this file), value, label, examples (a list in JSON), offline (address of sw.js)
import {load} from './scifi-tags.js'

const make = (tag, props={}, ...children) => {
  const el = Object.assign(document.createElement(tag), props)
  for (const [k, v] of Object.entries(props.attrs ?? {})) el.setAttribute(k, v)
  el.append(...children)
  return el
}

const css = `
:host { display: block; --accent: #8b5cf6; --line: color-mix(in srgb, currentColor 25%, transparent); --soft: color-mix(in srgb, currentColor 8%, transparent) }
* { box-sizing: border-box }
label { display: block; font-weight: 600; margin-bottom: .3em }
textarea { width: 100%; min-height: 4.6em; resize: vertical; font: inherit; font-size: max(1em, 16px); color: inherit; background: transparent; border: 1px solid var(--line); border-radius: 8px; padding: .5em .7em }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 1px }
.examples { display: flex; flex-wrap: wrap; gap: .4em; margin: .4em 0 0; padding: 0; list-style: none }
button { font: inherit; font-size: .82em; color: inherit; text-align: left; background: var(--soft); border: 1px solid var(--line); border-radius: 1em; padding: .15em .8em; cursor: pointer; min-height: 2em }
button:hover { border-color: currentColor }
.status { font-size: .85em; min-height: 1.6em; margin: .5em 0 .2em; opacity: .85 }
progress { width: 100%; height: .6em; accent-color: var(--accent); display: block }
ol { list-style: none; margin: 0; padding: 0 }
ol > li { padding: .12em 0 }
.row { display: grid; grid-template-columns: minmax(8em, 14em) 1fr 2.6em auto; gap: .6em; align-items: center }
.row > :first-child { overflow-wrap: anywhere }
a { color: inherit; text-underline-offset: .2em }
.bar { position: relative; height: .8em; border-radius: 4px; background: var(--soft) }
.bar i { position: absolute; inset: 0 auto 0 0; border-radius: 4px; background: var(--accent); min-width: 2px }
.bar b { position: absolute; top: -.15em; bottom: -.15em; width: 2px; background: currentColor; opacity: .55 }
.under .bar i { background: color-mix(in srgb, currentColor 45%, transparent) }
.under .row > :first-child { opacity: .8 }
.score { font-variant-numeric: tabular-nums; text-align: right }
.why { margin: .2em 0 .5em; padding: .4em .7em; border-left: 3px solid var(--accent); white-space: pre-line; overflow-wrap: anywhere; max-height: 12em; overflow: auto }
mark { color: inherit; border-radius: 3px; background: color-mix(in srgb, var(--accent) calc(var(--by)*60%), transparent) }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap }
[hidden] { display: none !important }
@media (max-width: 480px) { .row { grid-template-columns: 1fr 2.6em auto } .bar { grid-row: 2; grid-column: 1 / -1 } }
`

const MB = n => (n/1e6).toFixed(0)

export class ScifiTagger extends HTMLElement {
  times = []; answered = null   // ms of each answer, and the question that the last one belongs to
  #tagger; #busy; #abort = new AbortController(); #said; #serial = 0

  connectedCallback() {
    if (this.shadowRoot) return
    const id = 'question'
    this.box = make('textarea', {id, value: this.getAttribute('value') ?? '', dir: 'auto', rows: 3, maxLength: 100_000, attrs: {autocomplete: 'off', 'aria-describedby': 'status'}})
    this.status = make('div', {id: 'status', className: 'status'}, 'Type a question. The model runs in your browser: nothing you type is sent anywhere.')
    this.live = make('div', {className: 'hidden', attrs: {role: 'status', 'aria-live': 'polite'}})
    this.progress = make('progress', {hidden: true, max: 1, attrs: {'aria-label': 'Loading the model'}})
    this.list = make('div', {hidden: true})
    this.saved = make('div', {}, make('slot'))
    this.attachShadow({mode: 'open'}).append(make('style', {textContent: css}), make('label', {htmlFor: id}, this.getAttribute('label') ?? 'Your question'), this.box,
      this.#examples(), this.status, this.progress, this.saved, this.list, this.live)
    this.box.addEventListener('input', () => this.answer())
    this.box.addEventListener('click', () => this.ready().catch(() => {}))
  }

  #examples() {
    const show = text => { this.box.value = text; this.box.dispatchEvent(new Event('input')) }
    const texts = JSON.parse(this.getAttribute('examples') ?? '[]')
    return make('ul', {className: 'examples', hidden: !texts.length, attrs: {'aria-label': 'Examples'}},
      ...texts.map(t => make('li', {}, make('button', {type: 'button', onclick: () => show(t)}, t.length>60 ? t.slice(0, 57)+'…' : t))))
  }

  // The loaded tagger: everything is fetched at the first keystroke or click, and not before
  ready() {
    return this.#tagger ??= this.#load().catch(e => {
      this.#tagger = null
      this.progress.hidden = true
      this.live.textContent = this.status.textContent = `The model could not be loaded: ${e.message}. Type again to try once more.`
      throw e
    })
  }

  async #load() {
    const base = this.getAttribute('base'), start = performance.now()
    this.progress.hidden = false
    this.live.textContent = 'Loading the model'
    const onprogress = ({loaded, total}) => {
      if (total) this.progress.value = loaded/total
      this.status.textContent = loaded<total ? `Loading the model: ${MB(loaded)} of ${MB(total)} MB, the first time only` : 'Starting the model …'
    }
    const tagger = await load({onprogress, ...base && {base: new URL(base, document.baseURI)}})
    this.progress.hidden = true
    this.status.textContent = `Ready after ${((performance.now()-start)/1000).toFixed(1)} s.`
    if (this.hasAttribute('offline')) keepOffline(new URL(this.getAttribute('offline'), document.baseURI)).catch(() => {})
    return tagger
  }

  // Answer what is in the box now. While one answer is being computed, only the newest question waits
  async answer() {
    this.#abort.abort()
    this.#abort = new AbortController()
    const serial = ++this.#serial
    if (this.#busy) return
    this.#busy = true
    try {
      const tagger = await this.ready(), text = this.box.value, start = performance.now()
      const scores = await tagger.predict(text, {top: 6})
      this.times.push(performance.now()-start)
      this.#show(tagger, scores, text, this.times.at(-1))
      this.answered = text
    } catch (e) { if (this.#tagger) this.status.textContent = e.message }
    finally { this.#busy = false }
    if (serial!==this.#serial && this.#tagger) this.answer()
  }

  #show(tagger, scores, text, ms) {
    const threshold = t => tagger.thresholds[tagger.tags.indexOf(t)]
    const over = [...scores].filter(([t, p]) => p>=threshold(t)), under = [...scores].filter(([t, p]) => p<threshold(t))
    const rows = (some, className) => make('ol', {className}, ...some.map(([t, p]) => this.#row(tagger, t, p, threshold(t), text)))
    this.saved.hidden = true
    this.list.hidden = false
    this.list.replaceChildren(...over.length ? [rows(over, 'over')] : [], ...under.length ? [rows(under, 'under')] : [])
    const names = over.map(([t]) => t)
    this.status.textContent = !scores.size ? 'Nothing to tag yet.' : `${names.length ? `${names.length} tag${names.length>1 ? 's' : ''}` : 'No tag is over its threshold; best guesses'} in ${ms.toFixed(0)} ms, on your own machine`
    clearTimeout(this.#said)   // said once, when the typing pauses
    this.#said = setTimeout(() => { this.live.textContent = names.length ? `Tags: ${names.join(', ')}` : scores.size ? `No tag is over its threshold. Best guess: ${[...scores.keys()][0]}` : '' }, 700)
  }

  #row(tagger, tag, score, threshold, text) {
    const domain = tagger.site?.domain, name = domain ? make('a', {href: `https://${domain}/questions/tagged/${encodeURIComponent(tag)}`, target: '_blank', rel: 'noopener noreferrer'}, tag) : make('span', {}, tag)
    const fill = make('i'), mark = make('b')
    fill.style.width = `${100*score}%`
    mark.style.left = `${100*threshold}%`
    const bar = make('div', {className: 'bar', title: `threshold ${threshold.toFixed(2)}`, attrs: {'aria-hidden': 'true'}}, fill, mark)
    const why = make('div', {className: 'why', hidden: true, dir: 'auto'})
    const button = make('button', {type: 'button', attrs: {'aria-expanded': 'false', 'aria-label': `Why ${tag}?`}}, 'why?')
    button.onclick = () => this.#explain(tagger, tag, text, button, why)
    return make('li', {}, make('div', {className: 'row'}, name, bar, make('span', {className: 'score'}, score.toFixed(2)), button), why)
  }

  // Unfold the text, with the words marked that speak for the tag
  async #explain(tagger, tag, text, button, why) {
    why.hidden = !why.hidden
    button.setAttribute('aria-expanded', String(!why.hidden))
    if (why.hidden || why.childNodes.length) return
    why.textContent = 'Taking words away, one after another …'
    try {
      const {text: read, parts} = await tagger.explain(text, tag, {signal: this.#abort.signal}), most = Math.max(.5, ...parts.map(o => o.fall))
      const said = parts.filter(o => o.fall>=most/5), pieces = []
      let at = 0
      for (const {start, end, fall} of said) {
        const mark = make('mark', {}, read.slice(start, end))
        mark.style.setProperty('--by', (fall/most).toFixed(2))
        pieces.push(read.slice(at, start), mark)
        at = end
      }
      why.replaceChildren(...pieces, read.slice(at))
      this.live.textContent = said.length ? `Words that speak for ${tag}: ${said.map(o => read.slice(o.start, o.end)).join(', ')}` : `No single word speaks for ${tag}`
    } catch (e) { if (e.name!=='AbortError') why.textContent = e.message }
  }
}

// Let a service worker keep this page and what it has loaded
async function keepOffline(url) {
  await navigator.serviceWorker?.register(url)
  const {active} = await navigator.serviceWorker.ready, own = o => new URL(o).origin===location.origin && !/\.(wasm|onnx)$/.test(o)
  const modules = ['worker.js', 'tagger.js', 'runtime/ort.wasm.min.mjs', 'runtime/tokenizers.min.mjs', 'runtime/ort-wasm-simd-threaded.mjs'].map(o => new URL(o, import.meta.url).href)
  active.postMessage([location.href.split('#')[0], ...new Set([...performance.getEntriesByType('resource').map(o => o.name).filter(own), ...modules])])
}

customElements.define('scifi-tagger', ScifiTagger)
