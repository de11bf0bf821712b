// Answers of the tagger under node, for tests: node predict.mjs FOLDER < questions, where FOLDER is what build.py made and each line is a list of JSON, [method, ...arguments]
import {readFile} from 'node:fs/promises'
import {createInterface} from 'node:readline'
import {pathToFileURL} from 'node:url'

const web = pathToFileURL(`${process.argv[2]}/web/`).href, base = process.argv[3] ? pathToFileURL(`${process.argv[3]}/`).href : `${web}model/`
const {open, cleanPlain, cleanHtml} = await import(`${web}tagger.js`)
const tagger = await open({base, runtime: `${web}runtime/`, read: url => readFile(new URL(url))})
const entities = await tagger.entities()
const methods = {cleanPlain, cleanHtml: html => cleanHtml(html, entities), encode: text => tagger.encode(text), tags: () => tagger.tags,
  scores: async (text, html) => [...await tagger.scores(await tagger.clean(text, html)) ?? []],
  predict: async (text, options) => [...await tagger.predict(text, options)],
  explain: (text, tag, options) => tagger.explain(text, tag, options)}

for await (const line of createInterface({input: process.stdin})) {
  const [name, ...args] = JSON.parse(line)
  try { console.log(JSON.stringify(await methods[name](...args))) }
  catch (e) { console.log(JSON.stringify({error: `${e.name}: ${e.message}`})) }
}
