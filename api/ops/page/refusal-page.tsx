import { type Frame, Layout } from './layout.js'
import { Link } from './link.js'

export function RefusalPage({ frame, title, sentences }: { frame: Frame; title: string; sentences: string[] }) {
  return (
    <Layout title={title} frame={frame}>
      <h1>{title}</h1>
      <p role="alert">{sentences.join(' ')}</p>
      <p>
        <Link to="/ops">What needs attention</Link>
      </p>
    </Layout>
  )
}
