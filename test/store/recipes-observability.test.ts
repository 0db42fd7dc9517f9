// What docs/observability.md shows, run as it stands there.

import assert from 'node:assert/strict'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { metrics, SpanKind, trace } from '@opentelemetry/api'
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import express from 'express'
import { database, tableSql } from '../support/database.ts'
import { failure } from '../support/failure.ts'
import { codeIn } from '../support/paper.ts'
import { promises } from '../support/promise.ts'
import { withStore } from '../support/store.ts'

const db = await database('observability')
await db.sql.unsafe(tableSql)
const test = promises('recipes for observability')
const PAPER = 'docs/observability.md'
const at = { conString: db.url }

/** Serves the route that a block of the paper adds. */
async function ask(
  words: string,
  path: string,
  store: unknown,
): Promise<{ status: number; text: string; type: string }> {
  const app = express()
  new Function('app', 'store', codeIn(PAPER, words))(app, store)
  const server = app.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  try {
    const { port } = server.address() as { port: number }
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { connection: 'close' } })
    return {
      status: response.status,
      text: await response.text(),
      type: String(response.headers.get('content-type')),
    }
  } finally {
    await new Promise((resolve) => server.close(resolve))
  }
}

test('the page for a readiness probe answers 200 where all is well, and 503 where the table is missing', async () => {
  await withStore(at, async (store) => {
    const { status, text } = await ask('/healthz', '/healthz', store)
    assert.equal(status, 200)
    assert.equal(JSON.parse(text).table, 'ready')
  })
  await withStore({ ...at, tableName: 'absent' }, async (store) => {
    assert.equal((await ask('/healthz', '/healthz', store)).status, 503)
  })
})

test('the page for Prometheus has a line for every counter', () =>
  withStore(at, async (store) => {
    await store.get('nobody')
    await failure(store.get(''))
    const { status, text, type } = await ask('/metrics', '/metrics', store)
    assert.equal(status, 200)
    assert.match(type, /^text\/plain; version=0\.0\.4/)
    const lines = text.trimEnd().split('\n')
    for (const line of lines) assert.match(line, /^session_store_\w+(\{\w+="\w+"\})? \d+$/)
    for (const line of [
      'session_store_operations_total{verb="get"} 2',
      'session_store_errors_total{code="STORE_SID"} 1',
      'session_store_batches_total 1',
      'session_store_connections_opened_total 1',
      'session_store_connections{state="max"} 4',
    ])
      assert.ok(lines.includes(line), text)
  }))

test('the recipe for OpenTelemetry makes spans and the metric, with the names of the conventions', async () => {
  const spans = new InMemorySpanExporter()
  const tracing = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] })
  const measured = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const reader = new PeriodicExportingMetricReader({ exporter: measured, exportIntervalMillis: 1e6 })
  const metering = new MeterProvider({ readers: [reader] })
  trace.setGlobalTracerProvider(tracing)
  metrics.setGlobalMeterProvider(metering)
  // Below the project, so that it finds the package.
  const folder = new URL(`../../node_modules/.cache/recipe-${process.pid}/`, import.meta.url)
  mkdirSync(folder, { recursive: true })
  try {
    writeFileSync(new URL('tracing.mjs', folder), codeIn(PAPER, 'SpanKind'))
    await import(new URL('tracing.mjs', folder).href)
    await withStore(at, async (store) => {
      await Promise.all([store.get('a'), store.get('b')])
      await withStore({ ...at, tableName: 'absent' }, (other) => failure(other.get('hush-sid')))
    })
    await new Promise((resume) => setImmediate(resume))
    const finished = spans.getFinishedSpans()
    const [batch, refused] = finished.filter(({ kind }) => kind === SpanKind.CLIENT)
    const { hostname, port } = new URL(db.url)
    assert.equal(batch?.name, 'get session')
    assert.deepEqual(batch?.attributes, {
      'db.system.name': 'postgresql',
      'db.collection.name': 'session',
      'db.operation.name': 'BATCH get',
      'db.operation.batch.size': 2,
      'server.address': hostname,
      'server.port': Number(port),
    })
    assert.equal(refused?.attributes['db.response.status_code'], '42P01')
    assert.equal(refused?.attributes['error.type'], '42P01')
    const calls = finished.filter(({ name }) => name === 'session get')
    assert.deepEqual(
      calls.map(({ attributes }) => attributes['session_store.outcome']),
      ['absent', 'absent', 'failed'],
    )
    await reader.forceFlush()
    const [metric] = measured
      .getMetrics()
      .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((each) => each.metrics))
    assert.equal(metric?.descriptor.name, 'db.client.operation.duration')
    assert.equal(metric?.descriptor.unit, 's')
    const counts = metric?.dataPoints.map(({ value }) => (value as { count: number }).count)
    assert.deepEqual(counts, [1, 1])
  } finally {
    rmSync(folder, { recursive: true })
    await metering.shutdown()
    await tracing.shutdown()
    trace.disable()
    metrics.disable()
  }
})

test('no connection is left behind', () => db.drop())
