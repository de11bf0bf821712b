// The tagger in node, for tests: node predict.mjs FOLDER [ARTIFACT] < questions, where build.py made FOLDER, and each line is JSON, [method, ...arguments]
import {readFile} from 'node:fs/promises'
import {createInterface} from 'node:readline'
import {pathToFileURL} from 'node:url'

const web = pathToFileURL(`${process.argv[2]}/web/`).href, base = process.argv[3] ? pathToFileURL(`${process.argv[3]}/`).href : `${web}model/`
const {open, cleanPlain, cleanHtml} = await import(`${web}tagger.js`)
const tagger = await open({base, runtime: `${web}runtime/`, read: url => readFile(new URL(url))})
const entities = await tagger.entities()
const methods = {cleanPlain, cleanHtml: html => cleanHtml(html, entities), encode: text => tagger.encode(text), tags: () => tagger.tags,
  scores: async (text, html) => [...await tagger.scores(await tagger.clean(text, html)) ?? []],
  answer: async text => { const clean = await tagger.clean(text), scores = await tagger.scores(clean); return {ids: tagger.encode(clean), scores: [...scores], tags: [...tagger.choose(scores).keys()]} },
  predict: async (text, options) => [...await tagger.predict(text, options)],
  explain: (text, tag, options) => tagger.explain(text, tag, options), speed}

async function speed(text, n) {
  const times = []
  for (let i=0; i<n; i++) { const start = process.cpuUsage(); await tagger.predict(text); times.push(process.cpuUsage(start).user/1000) }
  return {tokens: tagger.encode(text).length, median: times.sort((a, b) => a-b)[n>>1]}
}

for await (const line of createInterface({input: process.stdin})) {
  const [name, ...args] = JSON.parse(line)
  try { console.log(JSON.stringify(await methods[name](...args))) }
  catch (e) { console.log(JSON.stringify({error: `${e.name}: ${e.message}`})) }
}
