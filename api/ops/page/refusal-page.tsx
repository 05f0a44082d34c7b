import { type Frame, Layout } from './layout.js'

export function RefusalPage({ frame, title, sentences }: { frame: Frame; title: string; sentences: string[] }) {
  return (
    <Layout title={title} frame={frame}>
      <h1>{title}</h1>
      <p role="alert">{sentences.join(' ')}</p>
      <p>
        <a href="/ops">What needs attention</a>
      </p>
    </Layout>
  )
}
