import { type ComponentChildren, createContext } from 'preact'
import { useContext } from 'preact/hooks'
import { publicPath } from '../../../shared/runtime/base-path.js'

const BasePath = createContext('')

/** What is in it links below this prefix. */
export const LinksUnder = BasePath.Provider

interface Props {
  to: string
  class?: string
  'aria-label'?: string
  'aria-current'?: 'page'
  children: ComponentChildren
}

/** A link to a path of ours, written without the prefix. */
export function Link({ to, children, ...attributes }: Props) {
  return (
    <a {...attributes} href={publicPath(useContext(BasePath), to)}>
      {children}
    </a>
  )
}
