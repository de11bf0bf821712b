// A question's tags, as `predict` of scifi_tags gives them. Runs in pages, workers and node: whoever calls `open` brings the runtime
import * as ort from './runtime/ort.wasm.min.mjs'
import {Tokenizer} from './runtime/tokenizers.min.mjs'

// --- text ---
// Each rule is one of Python's `clean_plain` and `clean_html`. Once the control characters are spaces, `\s` matches the same in both languages
const controls = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff]/g

export function cleanPlain(text) {
  text = text.replace(/\p{Cs}/gu, '\ufffd').replaceAll('\r', '\n').replace(controls, ' ')   // with `u`, Cs matches lone surrogates only
  return text.replace(/[^\S\n]+/g, ' ').replace(/ ?\n\s*/g, '\n').trim()
}

const tagRe = names => RegExp(`</?(?:${names.replaceAll(' ', '|')})(?:\\s[^<>]*)?/?>`, 'gi')
const block = tagRe('address blockquote br dd div dl dt h1 h2 h3 h4 h5 h6 hr iframe li ol p pre table tbody td th thead tr ul')
const inline = tagRe('a b code del em i img ins kbd s samp small span strike strong sub sup u')

export function cleanHtml(html, entities) {
  html = html.replace(/<!--[^<>]*-->/g, '').replace(block, '\n').replace(inline, '')
  return cleanPlain(unescape(html, entities))
}

function charref(digits, {invalid, dropped}) {
  const n = /^x/i.test(digits) ? parseInt(digits.slice(1), 16) : parseInt(digits, 10)
  if (n in invalid) return invalid[n]
  if ((n>=0xd800 && n<=0xdfff) || n>0x10ffff) return '\ufffd'
  return dropped.some(([a, b]) => n>=a && n<=b) ? '' : String.fromCodePoint(n)
}

function named(s, {html5}) {
  for (let n=s.length; n>1; n--) if (Object.hasOwn(html5, s.slice(0, n))) return html5[s.slice(0, n)]+s.slice(n)
  return '&'+s
}

const reference = /&(?:#(x[0-9a-f]+|[0-9]+);?|([^\t\n\f <&#;]{1,32};?))/gi
const unescape = (html, entities) => html.replace(reference, (_, digits, name) => digits ? charref(digits, entities) : named(name, entities))

// Where the nth code point of `text` begins: lengths are Python's, which counts code points, and not UTF-16
function place(text, n) {
  let i = 0
  for (; n>0 && i<text.length; n--) i += text.codePointAt(i)>0xffff ? 2 : 1
  return i
}

// --- words, for explaining: names of several words are one ---
const small = new Set(`a about after all also am an and another any anyone are as at be because been before being but by can could did do does doing done for from get
gets got had has have having he her here him his how i if in into is it its just like many may me might more most much my no not of off on once one only or other
our out over own same she should so some such than that the their them then there these they this those through to too under until up us very was we were what when
where which while who whom whose why will with would you your`.split(/\s/))
const stem = word => word.toLowerCase().replace(/(n['’]t|['’]s?)$/, '')

function words(text) {
  const res = []
  for (const m of text.matchAll(/[\p{L}\p{N}_]+(?:['’][\p{L}\p{N}_]+)*/gu)) {
    const start = m.index, end = start+m[0].length, last = res.at(-1)
    const isName = /^\p{Uppercase}/u.test(m[0]) && !small.has(m[0].toLowerCase())
    if (isName && last?.isName && [' ', '-'].includes(text.slice(last.end, start))) last.end = end
    else res.push({start, end, isName})
  }
  return res
}

// What is taken away from `text`, one after another: at most `most` lists of places
function parts(text, most) {
  const all = words(text), telling = all.filter(w => !small.has(stem(text.slice(w.start, w.end)))), some = telling.length ? telling : all
  const res = new Map()
  for (const w of some) {
    const key = stem(text.slice(w.start, w.end))
    res.set(key, [...(res.get(key) ?? []), w])
  }
  if (res.size<=most) return [...res.values()]
  const n = Math.ceil(some.length/most)
  return Array.from({length: Math.ceil(some.length/n)}, (_, i) => [{start: some[i*n].start, end: some[Math.min((i+1)*n, some.length)-1].end}])
}

function without(text, part) {
  let res = '', at = 0
  for (const {start, end} of part) { res += text.slice(at, start); at = end }
  return res+text.slice(at)
}

// --- the tagger ---
const sigmoid = x => Math.fround(1/(1+Math.exp(-x)))
const logit = p => (p = Math.min(Math.max(p, 1e-6), 1-1e-6), Math.log(p/(1-p)))

export class Tagger {
  constructor({config, tags, tokenizer, session, entities}) {
    Object.assign(this, {config, tags, session, entities})
    this.thresholds = Float32Array.from(tags, t => config.thresholds[t])
    this.site = config.site ?? null
    this.tokenize = makeTokenizer(tokenizer)
    const bare = this.tokenize('a'), full = this.tokenize('a', true), at = full.indexOf(bare[0])
    this.frame = [full.slice(0, at), full.slice(at+bare.length)]   // the special tokens around a text
    this.busy = Promise.resolve()
  }

  async clean(text, html) {
    if (typeof text !== 'string') throw new TypeError(`text must be a string, got ${text===null ? 'null' : typeof text}`)
    return html ? cleanHtml(text, await this.entities()) : cleanPlain(text)
  }

  // Token ids of clean text, cut as the model does it; none if it has no content
  encode(text) {
    const n = this.config.max_length, room = n-this.frame.flat().length, cut = place(text, 6*n), isLong = cut<text.length
    let ids = this.tokenize(isLong ? text.slice(0, text.lastIndexOf(' ', cut-1)+1) : text)
    if (isLong && ids.length<=room) ids = this.tokenize(text.slice(0, place(text, 20*n)))
    return ids.length ? [...this.frame[0], ...ids.slice(0, room), ...this.frame[1]] : []
  }

  // Scores of clean text, a Float32Array in the order of `tags`; null if it has no content. One run at a time: the runtime allows no more
  scores(text) {
    const res = this.busy.then(() => this.#run(this.encode(text)))
    this.busy = res.catch(() => {})
    return res
  }

  async #run(ids) {
    if (!ids.length) return null
    const tensor = values => new ort.Tensor('int64', BigInt64Array.from(values), [1, ids.length])
    const {logits} = await this.session.run({input_ids: tensor(ids.map(BigInt)), attention_mask: tensor(ids.map(() => 1n))})
    return Float32Array.from(logits.data, sigmoid)
  }

  // A Map of scores by tag, best first: the `top` best, or those over `threshold`, or over each tag's own; the best one if none is
  choose(scores, {top=null, threshold=null}={}) {
    if (!scores) return new Map()
    const order = [...scores.keys()].sort((a, b) => scores[b]-scores[a])   // stable, as Python's
    const over = order.filter(i => scores[i] >= (threshold===null ? this.thresholds[i] : Math.fround(threshold)))
    const some = top!==null ? order.slice(0, top) : over.length ? over : order.slice(0, 1)
    return new Map(some.map(i => [this.tags[i], scores[i]]))
  }

  async predict(text, {top=null, threshold=null, html=false}={}) {
    if (top!==null && !(Number.isInteger(top) && top>=1)) throw new RangeError(`top must be an integer from 1, got ${top}`)
    if (threshold!==null && !(threshold>=0 && threshold<=1)) throw new RangeError(`threshold must be from 0 to 1, got ${threshold}`)
    return this.choose(await this.scores(await this.clean(text, html)), {top, threshold})
  }

  // The beginning of clean `text` that the model reads, to the end of a word
  readPart(text) {
    const room = this.config.max_length-this.frame.flat().length, all = [...text.slice(0, 2*20*this.config.max_length).matchAll(/\S+/g)]
    const isFull = m => this.tokenize(text.slice(0, m.index+m[0].length)).length>=room
    if (!all.length || !isFull(all.at(-1))) return text
    let a = 0, b = all.length-1
    while (a<b) { const mid = (a+b)>>1; if (isFull(all[mid])) b = mid; else a = mid+1 }
    return text.slice(0, all[b].index+all[b][0].length)
  }

  // The text that was read, and by how much the logit of `tag` falls when a word is taken away: `{text, parts: [{start, end, fall}]}`
  async explain(text, tag, {most=48, html=false, signal}={}) {
    const i = this.tags.indexOf(tag)
    if (i<0) throw new RangeError(`there is no tag ${tag}`)
    text = this.readPart(await this.clean(text, html))
    if (this.explained?.text!==text || this.explained.most!==most) this.explained = {text, most, falls: await this.#falls(text, most, signal)}
    const found = this.explained.falls.flatMap(({part, fall}) => part.map(({start, end}) => ({start, end, fall: fall[i]})))
    return {text, parts: found.sort((a, b) => a.start-b.start)}
  }

  async #falls(text, most, signal) {
    const whole = await this.scores(text), res = []
    if (!whole) return res
    for (const part of parts(text, most)) {
      await new Promise(done => setTimeout(done))   // let a newer question go first
      signal?.throwIfAborted()
      const rest = await this.scores(cleanPlain(without(text, part)))
      res.push({part, fall: whole.map((p, i) => logit(p)-logit(rest ? rest[i] : 0))})
    }
    return res
  }
}

// --- loading ---
// A function of `text` that gives its ids, with or without special tokens
function makeTokenizer(json) {
  const tokenizer = new Tokenizer(json, {}), normalize = tokenizer.normalizer
  if (json.normalizer?.type==='BertNormalizer') tokenizer.normalizer = text => normalize(likeRust(text, json.normalizer))
  return (text, special=false) => tokenizer.encode(text, {add_special_tokens: special}).ids
}

// What the library in JavaScript does otherwise than the one in Rust: words in rare Chinese signs, and lower case, which knows no neighbors there
function likeRust(text, {handle_chinese_chars, lowercase}) {
  if (handle_chinese_chars) text = text.replace(/[\u{20000}-\u{2ceaf}\u{2f800}-\u{2fa1f}]/gu, ' $& ')
  return lowercase ? text.replace(/\p{Lu}/gu, c => c.toLowerCase()) : text
}

const sha256 = async data => Array.from(new Uint8Array(await crypto.subtle.digest('SHA-256', data)), b => b.toString(16).padStart(2, '0')).join('')
const json = data => JSON.parse(new TextDecoder().decode(data))
const names = {model: 'question-classifier-quantized.onnx', tokenizer: 'tokenizer.json', tags: 'tag_types_encoded.json', config: 'config.json'}

function checkTags(numbers, config) {
  const tags = Object.keys(numbers).sort((a, b) => numbers[a]-numbers[b])
  if (!tags.every((t, i) => numbers[t]===i)) throw new Error(`${names.tags}: must number its tags 0, 1, 2 … without a gap`)
  if (!tags.every(t => config.thresholds[t]>=0 && config.thresholds[t]<=1)) throw new Error(`${names.config}: must have a threshold from 0 to 1 for each tag`)
  return tags
}

// `read(url, {hash, onread})` gives the bytes of a file; `runtime` is the folder of onnxruntime-web and of the table of entities
export async function open({base, runtime, read, onprogress=() => {}}) {
  const state = {}, url = name => new URL(name, base).href
  const onread = name => (loaded, total) => {
    state[name] = [loaded, Math.max(loaded, total ?? 0)]
    const sum = i => Object.values(state).reduce((n, o) => n+o[i], 0)
    onprogress({loaded: sum(0), total: sum(1)})
  }
  const config = json(await read(url(names.config), {}))
  if (config.format!==1) throw new Error(`${names.config}: has format ${config.format}, and this version reads format 1`)
  const get = async name => {
    const hash = config.files?.[name], data = await read(url(name), {hash, onread: onread(name)})
    if (hash && globalThis.crypto?.subtle && await sha256(data)!==hash) throw new Error(`${name}: is damaged or incomplete: its SHA-256 is not the one in config.json`)
    return data
  }
  const wasm = new URL('ort-wasm-simd-threaded.wasm', runtime).href
  const [model, tokenizer, tags, wasmBinary] = await Promise.all([get(names.model), get(names.tokenizer), get(names.tags), read(wasm, {hash: ort.env.versions.web, onread: onread('runtime')})])
  Object.assign(ort.env.wasm, {wasmBinary, numThreads: 1})
  const session = await ort.InferenceSession.create(new Uint8Array(model), {executionProviders: ['wasm'], graphOptimizationLevel: 'disabled', logSeverityLevel: 4})
  let table
  const entities = () => table ??= read(new URL('entities.json', runtime).href, {}).then(json)
  const tagger = new Tagger({config, tags: checkTags(json(tags), config), tokenizer: json(tokenizer), session, entities})
  const n = (await tagger.scores('a')).length   // the first run is slow, and shows whether model and tags belong together
  if (n!==tagger.tags.length) throw new Error(`${names.model}: has ${n} outputs, but ${names.tags} has ${tagger.tags.length} tags`)
  return tagger
}
