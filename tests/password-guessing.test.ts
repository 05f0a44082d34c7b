import { createGuessBrake, type Verdict } from '../shared/runtime/guess-brake.js'

describe('guessing an operator’s password', () => {
  const guess = (text: string, right = 'right') => ({
    address: '192.0.2.1',
    digest: text,
    compare: () => (text === right ? 'olga' : undefined),
    isGone: () => false
  })

  it('becomes slow and stays slow, and ends after a quarter of an hour', async () => {
    let time = 0
    const waits: number[] = []
    const wait = async (ms: number) => {
      waits.push(ms)
    }
    const brake = createGuessBrake<string>({ wait, now: () => time })
    for (let number = 1; number <= 10; number++) {
      expect(await brake.check(guess(`guess ${number}`))).toEqual({ is: 'wrong', known: false, count: number })
    }
    expect(waits).toEqual([])
    // What was wrong before is wrong at once and counts no more.
    expect(await brake.check(guess('guess 3'))).toEqual({ is: 'wrong', known: true, count: 10 })
    for (let number = 11; number <= 17; number++) await brake.check(guess(`guess ${number}`))
    expect(waits).toEqual([250, 500, 1_000, 2_000, 4_000, 4_000, 4_000])
    expect(await brake.check(guess('right'))).toEqual({ is: 'right', who: 'olga' })
    expect(waits.at(-1)).toBe(4_000)
    expect(await brake.check({ ...guess('other'), address: '192.0.2.2' })).toMatchObject({ is: 'wrong', count: 1 })
    time = 15 * 60_000
    expect(await brake.check(guess('much later'))).toEqual({ is: 'wrong', known: false, count: 1 })
    expect(waits).toHaveLength(8)
  })

  it('is looked at one by one, twenty wait, and whoever has left costs nothing', async () => {
    let release: () => void = () => undefined
    const held = new Promise<void>(resolve => {
      release = resolve
    })
    const waits: number[] = []
    const brake = createGuessBrake<string>({
      wait: async ms => {
        waits.push(ms)
        await held
      }
    })
    for (let number = 0; number < 10; number++) await brake.check(guess(`guess ${number}`))
    const ended: string[] = []
    const judge = (text: string, isGone = false) =>
      brake.check({ ...guess(text), isGone: () => isGone }).then((verdict: Verdict<string>) => {
        ended.push(`${text} ${verdict.is}`)
      })
    const waiting = [judge('a'), judge('left', true), judge('right')]
    for (let number = 0; number < 17; number++) waiting.push(judge(`w${number}`))
    expect(await brake.check(guess('one too many'))).toEqual({ is: 'busy', retryAfterMs: 4_000 })
    expect(await brake.check(guess('guess 1'))).toMatchObject({ is: 'wrong', known: true })
    expect([ended, waits]).toEqual([[], [250]])
    release()
    await Promise.all(waiting)
    expect(ended.slice(0, 3)).toEqual(['a wrong', 'left gone', 'right right'])
    expect(waits).toHaveLength(19)
  })
})

describe('guessing from many networks', () => {
  const from = (number: number, digest: string, compare: () => string | undefined = () => undefined) => ({
    address: `2001:db8:0:${number.toString(16)}::/64`,
    digest,
    compare,
    isGone: () => false
  })

  it('is as slow as from one, once more have come than are counted', async () => {
    let time = 0
    const waits: number[] = []
    const brake = createGuessBrake<string>({
      wait: async (ms: number) => waits.push(ms),
      now: () => time,
      maxAddresses: 50
    })
    let guesses = 0
    const round = async (networks: number) => {
      for (let network = 0; network < networks; network++) {
        for (let number = 0; number < 10; number++) await brake.check(from(network, `guess ${guesses++}`))
      }
    }
    await round(50)
    expect(waits).toHaveLength(0)
    await round(60)
    // Each network has had its ten, and the ten networks that nobody counts share a line.
    expect(waits).toHaveLength(600)
    expect(waits.at(-1)).toBe(4_000)
    expect(await brake.check(from(99, 'right', () => 'olga'))).toEqual({ is: 'right', who: 'olga' })
    time = 15 * 60_000
    await round(50)
    expect(waits).toHaveLength(601)
  })

  it('goes on after a comparison that threw', async () => {
    const brake = createGuessBrake<string>({ wait: async () => undefined })
    for (let number = 0; number < 10; number++) await brake.check(from(1, `guess ${number}`))
    const broken = () => {
      throw new Error('no comparison today')
    }
    await expect(brake.check(from(1, 'broken', broken))).rejects.toThrow('no comparison today')
    expect(await brake.check(from(1, 'right', () => 'olga'))).toEqual({ is: 'right', who: 'olga' })
  })
})
