import fc from 'fast-check'
import ipaddr from 'ipaddr.js'
import { containsCardNumber, maskCardNumbers } from '../shared/identity/card-numbers.js'
import { maskJson, maskText, maskValue } from '../shared/identity/masking.js'

const PAN = '4242424242424242'
const GROUPED = '5555 5555 5555 4444'

it.each([
  [PAN, true],
  [GROUPED, true],
  ['my card is 3782-822463-10005.', true],
  ['4242424242424241', false],
  ['1764030000000', false],
  ['+33 6 12 34 56 78', false],
  ['pi_4242424242424242', false]
])('knows what looks like a card number: %s', (text, expected) => {
  expect(containsCardNumber(text)).toBe(expected)
  expect(maskCardNumbers(text).includes('[card number]')).toBe(expected)
})

const SEVEN = { minLength: 7, maxLength: 7 }

describe('the mask', () => {
  const letters = (alphabet: string, max: number) =>
    fc.string({ unit: fc.constantFrom(...alphabet), minLength: 1, maxLength: max })
  const local = fc.oneof(
    letters("abcxyz0189!#$%&'*+/=?^_`{|}~-", 20),
    letters('abcåøüñéßжя字.+_-', 12).filter(text => !/^\.|\.$|\.\./.test(text)),
    fc.array(letters('abz09', 6), { minLength: 2, maxLength: 4 }).map(parts => parts.join('.')),
    // RFC 5321: Quoted-string
    fc
      .array(fc.oneof(letters('ab @.,;:<>()[]', 8), fc.constantFrom('\\"', '\\\\')), { minLength: 1, maxLength: 3 })
      .map(parts => `"${parts.join('')}"`)
  )
  const label = letters('abcz09', 8)
  const domain = fc.oneof(
    fc.tuple(label, fc.constantFrom('example', 'com', 'co.uk', 'xn--p1ai')).map(([name, end]) => `${name}.${end}`),
    fc.constantFrom('müller.example', 'пример.рф', '例え.テスト', 'localhost', '[203.0.113.7]', '[IPv6:2001:db8::1]')
  )
  const eMail = fc
    .tuple(local, domain)
    .map(([name, where]) => `${name}@${where}`)
    // It reads as the folder of a package does: node_modules/@localhost.
    .filter(text => !text.endsWith('/@localhost'))
  const around = fc.constantFrom(
    ['Invalid email address: ', ''],
    ['to <', '>, again'],
    ['', '.'],
    ['(', ')'],
    ['two\nlines\n', '\nand more'],
    ['«', '»'],
    ['mailto:', '; x']
  )
  /** The forms in which texts carry texts. What a form makes of the address must be gone. */
  const forms: [name: string, write: (text: string) => string, mask: (text: string) => string][] = [
    ['as it is', text => text, maskText],
    ['in JSON', text => JSON.stringify({ err: { message: text }, '@id': '@type' }), maskJson],
    ['in JSON within a text', text => JSON.stringify({ message: text }), maskText],
    ['in JSON within JSON', text => JSON.stringify({ body: JSON.stringify({ message: text }) }), maskJson],
    [
      'in ASCII JSON',
      text =>
        JSON.stringify(text).replace(
          /[\u0080-\uffff]/g,
          char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`
        ),
      maskJson
    ],
    ['in a URL', text => encodeURIComponent(text), maskText]
  ]

  it.each(forms)('leaves nothing of an e-mail address %s', (_name, write, mask) => {
    fc.assert(
      fc.property(eMail, around, (email, [before, after]) => {
        const masked = mask(write(`${before}${email}${after}`))
        expect(masked).toContain('[e-mail]')
        expect(masked).not.toMatch(/@(?!id|type)|%40/)
        const word = /[a-z0-9]{4,}/.exec(email.slice(0, email.lastIndexOf('@')))?.[0]
        if (word !== undefined) expect(masked).not.toContain(word)
        if (mask === maskJson) JSON.parse(masked)
        expect(mask(masked)).toBe(masked)
      }),
      { numRuns: 1_000 }
    )
  })

  it('leaves JSON what it is, whatever it holds', () => {
    fc.assert(
      fc.property(
        fc.jsonValue(),
        fc.array(fc.string({ unit: fc.constantFrom('"', '@', '\\', 'a', '.', ' ', '%40', '\n') })),
        (value, texts) => {
          JSON.parse(maskJson(JSON.stringify([value, texts])))
        }
      ),
      { numRuns: 500 }
    )
  })

  /** The least of three, in microseconds of the processor: what else the machine does is not in it. */
  const costOf = (text: string) =>
    Math.min(
      ...[1, 2, 3].map(() => {
        const before = process.cpuUsage()
        maskText(text)
        const { user, system } = process.cpuUsage(before)
        return user + system
      })
    )

  it.each([
    'a',
    '@',
    '"@',
    '@"',
    '1 ',
    '+1',
    '2001:',
    '\\',
    '\\"',
    '%40',
    '%401',
    '%2540',
    '%2540a',
    '%252540x',
    '%22%40',
    '\\u0040',
    '\\u0040a',
    '&#64;',
    '&#64;a',
    '&commat;a',
    '\uff20a',
    '@.a',
    '%25',
    'a@b.',
    'é@é.'
  ])('is done in time that follows the length, of a text full of %j', part => {
    const textOf = (length: number) => part.repeat(length / part.length)
    // Four times the length costs sixteen times as much where each part looks at all others.
    expect(costOf(textOf(40_000))).toBeLessThan(8 * Math.max(costOf(textOf(10_000)), 5_000))
  })

  it.each([
    ['@', '.', 'a'],
    ['@a', '-', 'b'],
    ['', '\\', '"@a.b'],
    ['', '%25', '22%40a.b'],
    ['+1', '-', '@'],
    ['a@', '[', ''],
    ['', '1.', '@a.b']
  ])('is done in time that follows the length, of "%s" and "%s" without number and "%s"', (before, part, after) => {
    const textOf = (length: number) => before + part.repeat(length / part.length) + after
    expect(costOf(textOf(80_000))).toBeLessThan(8 * Math.max(costOf(textOf(20_000)), 5_000))
  })

  const digits = (count: number) =>
    fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: count, maxLength: count })
  /** x is a digit. */
  const filled = (pattern: string) =>
    digits(pattern.length).map(some => [...pattern].map((char, at) => (char === 'x' ? some[at] : char)).join(''))
  const phone = fc
    .constantFrom(
      ...['06xxxxxxxx', '06 xx xx xx xx', '07.xx.xx.xx.xx', '01-4x-xx-xx-xx', '+336xxxxxxxx', '+33 (0)6 xx xx xx xx'],
      ...['0033 6 xx xx xx xx', '00336xxxxxxxx', '+33\u00a06\u00a0xx\u00a0xx\u00a0xx\u00a0xx', '%2B336xxxxxxxx'],
      ...['079 xxx xx xx', '079xxxxxxx', '044 xxx xx xx', '044/xxx xx xx', '+41 79 xxx xx xx', '0041 79 xxx xx xx'],
      ...[
        '0470 xx xx xx',
        '0470/xx.xx.xx',
        '0470 xxx xxx',
        '0470/xxxxxx',
        '02 xxx xx xx',
        '02/xxx.xx.xx',
        '010 xx xx xx'
      ],
      ...[
        '+32 470 xx xx xx',
        '+32 470/xx.xx.xx',
        '0032 470 xx xx xx',
        '(555) xxx-xxxx',
        '555-xxx-xxxx',
        '+1 555 xxx xxxx'
      ]
    )
    .chain(filled)
  const beside = fc.constantFrom(
    ['call ', ' now'],
    ['', ''],
    ['(', ')'],
    ['tel:', ', please'],
    ['"', '"'],
    ['a\n', '.']
  )

  it('leaves nothing of a telephone number in the forms of the countries around', () => {
    fc.assert(
      fc.property(phone, beside, (number, [before, after]) => {
        const masked = maskText(`${before}${number}${after}`)
        expect(masked).not.toMatch(/\d{2}/)
        expect(masked.replace(/\+?\[(?:phone|card) number\]/, '')).toBe(before + after)
      }),
      { numRuns: 1_000 }
    )
  })

  const group = fc.integer({ min: 0, max: 0xffff }).map(value => value.toString(16))
  const global = fc
    .tuple(fc.constantFrom('2001', '2a02', '3fff'), fc.array(fc.oneof(fc.constant('0'), group), SEVEN))
    .chain(([first, rest]) => {
      const whole = [first, ...rest].join(':')
      return fc.constantFrom(whole, whole.toUpperCase(), ipaddr.parse(whole).toString())
    })
  const besideAddress = fc.constantFrom(
    ['from ', ' now'],
    ['ip:', ''],
    ['ip:', '/64'],
    ['address:', ': timed out'],
    ['a:', ''],
    ['peer=', ','],
    ['[', ']:443'],
    ['"', '"'],
    ['(', ').']
  )

  it('leaves nothing of an IPv6 address of the internet, whatever stands beside it', () => {
    fc.assert(
      fc.property(global, besideAddress, (address, [before, after]) => {
        expect(maskText(before + address + after)).toBe(`${before}[IP address]${after}`)
      }),
      { numRuns: 1_000 }
    )
  })

  const alphanumeric = (count: number) =>
    fc.string({
      unit: fc.constantFrom(...'abcdefghjkmnpqrstvwxyzABCDEFGHJKMNPQRSTVWXYZ0123456789'),
      minLength: count,
      maxLength: count
    })
  const number = (max: number) => fc.integer({ min: 0, max })
  const harmless = fc.oneof(
    fc
      .tuple(
        fc.constantFrom('pi_', 'ch_', 're_', 'evt_', 'cs_test_', 'dp_', 'txn_', 'cus_', 'price_'),
        alphanumeric(24)
      )
      .map(parts => parts.join('')),
    fc.constantFrom('pi_', 'evt_').chain(prefix => digits(24).map(tail => prefix + tail)),
    alphanumeric(24).map(tail => `c${tail.toLowerCase()}`),
    fc.uuid(),
    fc.date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true }).map(date => date.toISOString()),
    number(9_999_999_999).map(String),
    fc
      .tuple(fc.constantFrom('', '+', '-'), number(9_999_999), fc.constantFrom('EUR', 'CHF', 'usd'))
      .map(([sign, amount, currency]) => `${sign}${amount} ${currency}`),
    fc
      .tuple(fc.constantFrom('', '+', '-'), number(9_999_999), number(99))
      .map(([sign, whole, part]) => `${sign}${whole}.${String(part).padStart(2, '0')} EUR`),
    fc
      .tuple(fc.constantFrom('+', '-'), number(999), digits(3), digits(3))
      .map(([sign, ...groups]) => `${sign}${groups.join(' ')}.00 EUR`),
    fc
      .tuple(fc.constantFrom('pg@', 'v', 'node/', '@prisma/client@'), number(99), number(99), number(99))
      .map(([name, ...parts]) => name + parts.join('.')),
    fc
      .tuple(fc.constantFrom('Chrome', 'Edg', 'HeadlessChrome', 'OPR'), number(255))
      .map(([name, major]) => `${name}/${major}.0.0.0`),
    fc.constantFrom(
      'node@latest',
      'npm i left-pad@next',
      'job repeat:abc@every',
      'cron@daily',
      '01-02-03-04-05',
      '1.02.03'
    ),
    fc.tuple(number(9), digits(2), digits(2)).map(([a, b, c]) => `2026-0${a}-${b} ${c}:00:00`),
    digits(12).map(some => `${some.slice(0, 4)}/${some.slice(4, 6)}/${some.slice(6, 8)}`)
  )

  it('leaves ids, amounts, times and versions as they are', () => {
    fc.assert(
      fc.property(harmless, beside, (text, [before, after]) => {
        // One in ten numbers of 13 digits and more has the check digit of a card.
        fc.pre(!containsCardNumber(text))
        expect(maskText(before + text + after)).toBe(before + text + after)
      }),
      { numRuns: 3_000 }
    )
  })

  it.each([
    ['call +33 6 12 34 56 78', 'call [phone number]'],
    ['call (555) 123-4567 or 06 12 34 56 78', 'call [phone number] or [phone number]'],
    ['from 203.0.113.7:443', 'from [IP address]:443'],
    ['from 2001:db8::1 and ::ffff:198.51.100.1', 'from [IP address] and ::ffff:[IP address]'],
    ['connect ECONNREFUSED fd00:2001:db8::1:443', 'connect ECONNREFUSED fd00:2001:db8::1:443'],
    ['connect ECONNREFUSED 2001:db8:1:2:3:4:5:6:443', 'connect ECONNREFUSED [IP address]:443'],
    ['at 2026:11:29 of 2001::', 'at 2026:11:29 of [IP address]'],
    ['connect ECONNREFUSED 127.0.0.1:5432', 'connect ECONNREFUSED 127.0.0.1:5432'],
    ['node_modules/@prisma/client/index.js:12:34', 'node_modules/@prisma/client/index.js:12:34'],
    ['.pnpm/pg@8.23.1/node_modules', '.pnpm/pg@8.23.1/node_modules'],
    ['order clx1 for 1999 EUR at 2026-11-25T08:00:00.000Z', 'order clx1 for 1999 EUR at 2026-11-25T08:00:00.000Z'],
    ['+123456789 EUR and +33612345678', '+123456789 EUR and [phone number]'],
    ['Chrome/120.0.0.0 from 203.0.113.7', 'Chrome/120.0.0.0 from [IP address]'],
    ['/from/203.0.113.7 and /From/203.0.0.0', '/from/[IP address] and /From/[IP address]'],
    ['%401%40a.example', '%40[e-mail]'],
    [`card ${PAN}`, 'card [card number]']
  ])('makes of "%s" "%s"', (text, expected) => {
    expect(maskText(text)).toBe(expected)
  })

  it('knows fields that are about a person, and leaves who ran a command', () => {
    expect(
      maskValue({
        operator: 'olga@shop.example',
        reason: 'asked by ada@shop.example',
        customer_details: { name: 'Ada' },
        of: [{ phone: '1' }]
      })
    ).toEqual({
      operator: 'olga@shop.example',
      reason: 'asked by [e-mail]',
      customer_details: '[personal data]',
      of: [{ phone: '[personal data]' }]
    })
  })
})
