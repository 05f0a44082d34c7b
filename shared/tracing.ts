import { context, propagation, type Span, SpanKind, type SpanOptions, SpanStatusCode, trace } from '@opentelemetry/api'

export type TraceContext = ReturnType<typeof context.active>
export type Attributes = Record<string, string | number>

const TRACER = 'tillworks'
let isOn = false

/** Whether spans are recorded: false, and nothing is spent on them, unless OTEL_EXPORTER_OTLP_ENDPOINT is set. */
export function isTracing(): boolean {
  return isOn
}

/** For whoever starts and stops the exporter. */
export function switchTracing(on: boolean): void {
  isOn = on
}

/** The trace that is under way, 32 hexadecimal digits: https://www.w3.org/TR/trace-context/#trace-id */
export function currentTraceId(): string | undefined {
  return isOn ? trace.getActiveSpan()?.spanContext().traceId : undefined
}

/** Where a span would hang that began now; undefined when there is no trace for it to belong to. */
export function currentTrace(): TraceContext | undefined {
  return isOn && trace.getActiveSpan() !== undefined ? context.active() : undefined
}

/** A call of somebody else, as a span around `work`. Its name and attributes are what is bounded: no ids, no texts of people. */
export async function tracedCall<T>(
  name: string,
  attributes: Attributes,
  work: (span: Span | undefined) => Promise<T>
): Promise<T> {
  return await inSpan(name, { kind: SpanKind.CLIENT, attributes }, work)
}

/** What a person has a program do, as the root of a trace. Its name has nothing of what they typed but the words of the command. */
export async function tracedCommand<T>(name: string, work: () => Promise<T>): Promise<T> {
  return await inSpan(name, { kind: SpanKind.INTERNAL, root: true }, work)
}

/** One of the steps of a job, as a span. */
export async function tracedStep<T>(name: string, work: () => Promise<T>): Promise<T> {
  return await inSpan(name, { kind: SpanKind.INTERNAL }, work)
}

async function inSpan<T>(name: string, options: SpanOptions, work: (span: Span | undefined) => Promise<T>): Promise<T> {
  if (!isOn) return await work(undefined)
  return await trace.getTracer(TRACER).startActiveSpan(name, options, async span => {
    try {
      return await work(span)
    } catch (error) {
      markFailed(span, error)
      throw error
    } finally {
      span.end()
    }
  })
}

/** A span of something that has just ended, after `ms` milliseconds. */
export function recordCall(
  parent: TraceContext,
  call: { name: string; attributes: Attributes; ms: number; error: unknown }
): void {
  const startTime = Date.now() - call.ms
  const options = { kind: SpanKind.CLIENT, attributes: call.attributes, startTime }
  const span = trace.getTracer(TRACER).startSpan(call.name, options, parent)
  if (call.error) markFailed(span, call.error)
  span.end()
}

/** The span of a request that was taken, in the trace that its `traceparent` names. */
export function startRequestSpan(
  method: string,
  headers: Record<string, unknown>
): { span: Span; context: TraceContext } {
  const caller = propagation.extract(context.active(), headers)
  const options = { kind: SpanKind.SERVER, attributes: { 'http.request.method': method } }
  const span = trace.getTracer(TRACER).startSpan(method, options, caller)
  return { span, context: trace.setSpan(caller, span) }
}

/** What a message or a job carries so that its receiver goes on with the trace. */
export function traceHeaders(): Record<string, string> {
  const headers: Record<string, string> = {}
  if (isOn) propagation.inject(context.active(), headers)
  return headers
}

export const withTrace = context.with.bind(context)
export const bindToTrace = context.bind.bind(context)

/** By the kind of the error alone: messages quote what people typed. https://opentelemetry.io/docs/specs/semconv/registry/attributes/error/ */
export function markFailed(span: Span, error: unknown): void {
  const { code } = error as { code?: unknown }
  const kind = typeof code === 'string' ? code : error instanceof Error ? error.name : 'unknown'
  span.setAttribute('error.type', kind)
  span.setStatus({ code: SpanStatusCode.ERROR })
}
