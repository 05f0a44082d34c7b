import { createKeyedMutex } from '../api/keyed-mutex.js'

it('gives up waiting for its turn, and the next one still waits for the work', async () => {
  const inTurn = createKeyedMutex(50)
  const order: string[] = []
  let finish: () => void = () => undefined
  const first = inTurn('ada', async () => {
    await new Promise<void>(resolve => {
      finish = resolve
    })
    order.push('first')
  })
  await expect(inTurn('ada', async () => order.push('second'))).rejects.toThrow('still under way')
  const third = inTurn('ada', async () => order.push('third'))
  expect(await inTurn('bob', async () => order.push('bob'))).toBe(1)
  finish()
  await Promise.all([first, third])
  expect(order).toEqual(['bob', 'first', 'third'])
})
