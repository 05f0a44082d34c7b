import { type Database, undeceivedRead } from '../database/database.js'
import { MINUTE } from '../duration.js'
import { checkEnds, checkRows, type RowCursor, readTombstones, type SignedChain } from '../statements/audit-trail.js'
import { checkTombstone, type Keys } from './tombstone.js'

/** How far a verification has come: JSON, so that it can be kept and resumed. */
export interface VerificationState {
  phase: 'rows' | 'ends' | 'tombstones' | 'done'
  row: RowCursor | null
  end: string | null
  tombstone: SignedChain | null
  rows: number
  chains: number
  tombstones: number
  /** What is certainly wrong, and what cannot be told for the lack of a key. */
  wrong: number
  unknown: number
}

export interface VerificationStep {
  state: VerificationState
  /** A sentence for each thing that is wrong, or that cannot be told. */
  findings: string[]
}

const BEGINNING: VerificationState = {
  phase: 'rows',
  row: null,
  end: null,
  tombstone: null,
  rows: 0,
  chains: 0,
  tombstones: 0,
  wrong: 0,
  unknown: 0
}

export interface VerificationOptions {
  from?: VerificationState
  /** Rows of a slice. */
  most?: number
}

const SLICE = 10_000
/** A slice takes a fraction of a second; a machine that is busy may take longer. */
const SLICE_TIMEOUT_MS = MINUTE

/** Verifies the whole trail slice by slice: the rows, then the registered ends of their chains, then the tombstones. */
export async function* verifyTrail(
  db: Database,
  config: Keys,
  { from = BEGINNING, most = SLICE }: VerificationOptions = {}
): AsyncGenerator<VerificationStep> {
  const phases = { rows: verifyRows, ends: verifyEnds, tombstones: verifyTombstones }
  let state = from
  while (state.phase !== 'done') {
    const next = phases[state.phase]
    const step = await undeceivedRead(db.pool, client => next(client, state, most, config), {
      statementTimeoutMs: SLICE_TIMEOUT_MS
    })
    state = step.state
    yield step
  }
}

type Phase = (
  db: Parameters<typeof checkRows>[0],
  state: VerificationState,
  most: number,
  config: Keys
) => Promise<VerificationStep>

const verifyRows: Phase = async (db, state, most) => {
  const { checked, chains, problems, last } = await checkRows(db, state.row, most)
  const counted = { rows: state.rows + checked, chains: state.chains + chains, wrong: state.wrong + problems.length }
  return {
    state: { ...state, ...counted, ...(last === null ? { phase: 'ends' } : { row: last }) },
    findings: problems.map(({ chain, id, problem }) => `chain ${chain}, row ${id}: ${problem}`)
  }
}

const verifyEnds: Phase = async (db, state, most) => {
  const { problems, last } = await checkEnds(db, state.end, most)
  return {
    state: {
      ...state,
      wrong: state.wrong + problems.length,
      ...(last === null ? { phase: 'tombstones' } : { end: last })
    },
    findings: problems.map(({ chain, id, problem }) => `chain ${chain}, row ${id ?? '?'}: ${problem}`)
  }
}

const verifyTombstones: Phase = async (db, state, most, config) => {
  const tombstones = await readTombstones(db, state.tombstone, most)
  const last = tombstones.at(-1)
  const checked = { ...state, tombstones: state.tombstones + tombstones.length }
  const findings: string[] = []
  for (const tombstone of tombstones) {
    const check = checkTombstone(tombstone, config)
    if (check.signed) continue
    const which = `chain ${tombstone.chain}, removed ${tombstone.removedAt.toISOString()}`
    if (check.certain) {
      checked.wrong++
      findings.push(`${which}: its tombstone is not signed: it was changed`)
    } else {
      checked.unknown++
      findings.push(
        `${which}: its tombstone was signed by ${check.missing}, which is not set, or it is forged. Set it after the newest one, with a comma between, and verify again`
      )
    }
  }
  if (last === undefined) return { state: { ...checked, phase: 'done' }, findings }
  const { chain, rows, lastHash } = last
  return { state: { ...checked, tombstone: { chain, rows, lastHash } }, findings }
}
