// Answers questions about files and CARs with the IPFS project's own JavaScript libraries, one JSON line each.
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream, readdirSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { CarReader, CarWriter } from '@ipld/car'
import * as dagCbor from '@ipld/dag-cbor'
import { exporter } from 'ipfs-unixfs-exporter'
import { importer } from 'ipfs-unixfs-importer'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { balanced } from 'ipfs-unixfs-importer/layout'
import { CID } from 'multiformats/cid'

async function add (file, chunk, links, store, more = {}) {
  const options = {
    cidVersion: 1,
    rawLeaves: true,
    reduceSingleLeafToSelf: true,
    chunker: fixedSize({ chunkSize: chunk }),
    layout: balanced({ maxChildrenPerNode: links }),
    ...more
  }
  let last
  for await (const entry of importer([{ content: createReadStream(file) }], store, options)) last = entry
  return last.cid
}

const discard = { put: async (cid) => cid, get: async () => { throw new Error('nothing is kept') } }

const questions = {
  cid: async ({ file, chunk, links }) => ({ cid: (await add(file, chunk, links, discard)).toString() }),
  pack: async ({ file, car, chunk, links, version = 1, rawLeaves = true }) => {
    const kept = new Map()
    const store = { put: async (cid, bytes) => { kept.set(cid.toString(), { cid, bytes }); return cid } }
    const root = await add(file, chunk, links, store, { cidVersion: version, rawLeaves })
    const { writer, out } = CarWriter.create([root])
    const written = pipeline(Readable.from(out), createWriteStream(car))
    for (const block of kept.values()) await writer.put(block)
    await writer.close()
    await written
    return { cid: root.toString() }
  },
  folder: async ({ top, car }) => {
    const kept = new Map()
    const store = { put: async (cid, bytes) => { kept.set(cid.toString(), { cid, bytes }); return cid } }
    const options = {
      cidVersion: 1,
      rawLeaves: true,
      reduceSingleLeafToSelf: true,
      chunker: fixedSize({ chunkSize: 262144 }),
      layout: balanced({ maxChildrenPerNode: 174 }),
      shardSplitThresholdBytes: 262144
    }
    let last
    for await (const entry of importer(entriesOf(top, basename(top)), store, options)) last = entry
    if (car != null) {
      const { writer, out } = CarWriter.create([last.cid])
      const written = pipeline(Readable.from(out), createWriteStream(car))
      for (const block of kept.values()) await writer.put(block)
      await writer.close()
      await written
    }
    return { cid: last.cid.toString() }
  },
  list: async ({ car }) => {
    const reader = await CarReader.fromIterable(createReadStream(car))
    const store = { get: async function * (cid) { yield (await reader.get(cid)).bytes } }
    const files = {}
    const visit = async (cid, path) => {
      const entry = await exporter(cid, store)
      if (entry.type === 'directory') {
        for await (const below of entry.entries()) await visit(below.cid, `${path}/${below.name}`)
        return
      }
      const hash = createHash('sha256')
      for await (const piece of entry.content()) hash.update(piece)
      files[path] = hash.digest('hex')
    }
    for (const root of await reader.getRoots()) await visit(root, '')
    return { files }
  },
  unpack: async ({ car }) => {
    const reader = await CarReader.fromIterable(createReadStream(car))
    const roots = await reader.getRoots()
    const store = { get: async function * (cid) { yield (await reader.get(cid)).bytes } }
    const found = []
    for (const root of roots) {
      const hash = createHash('sha256')
      const entry = await exporter(root, store)
      for await (const piece of entry.content()) hash.update(piece)
      found.push({ cid: root.toString(), size: Number(entry.size), sha256: hash.digest('hex') })
    }
    const records = []
    for await (const { cid, bytes } of reader.blocks()) {
      if (cid.code === dagCbor.code) records.push({ cid: cid.toString(), links: linksOf(dagCbor.decode(bytes)) })
    }
    return { roots: found, records }
  }
}

function * entriesOf (folder, path) {
  yield { path }
  for (const name of readdirSync(folder)) {
    const here = join(folder, name)
    if (statSync(here).isDirectory()) yield * entriesOf(here, `${path}/${name}`)
    else yield { path: `${path}/${name}`, content: createReadStream(here) }
  }
}

function linksOf (value) {
  return Object.values(value).map((item) => CID.asCID(item)).filter((cid) => cid != null).map(String)
}

for await (const line of createInterface({ input: process.stdin })) {
  const { question, ...given } = JSON.parse(line)
  try {
    console.log(JSON.stringify(await questions[question](given)))
  } catch (error) {
    console.log(JSON.stringify({ error: String(error.stack) }))
  }
}
