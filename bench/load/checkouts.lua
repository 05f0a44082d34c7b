-- Posts one checkout after the other: a line of the file is a session token, then one a cart; each customer has an address. The keys begin with the second argument.
local tokens, carts, count, prefix = {}, {}, 0, ''

function init(args)
  local file = assert(io.open(args[1], 'r'))
  while true do
    local token, cart = file:read('*l'), file:read('*l')
    if cart == nil then break end
    tokens[#tokens + 1], carts[#carts + 1] = token, cart
  end
  prefix = args[2]
end

function request()
  count = count + 1
  local place = count % #tokens + 1
  local address = '81.2.' .. place % 250 .. '.' .. math.floor(place / 250) + 1
  local headers = { Authorization = 'Bearer ' .. tokens[place], ['X-Forwarded-For'] = address, ['Content-Type'] = 'application/json', ['Idempotency-Key'] = prefix .. '-' .. count }
  return wrk.format('POST', '/api/stripe/checkout', headers, carts[place])
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format('\nRESULT {"requests":%d,"microseconds":%d,"p50":%d,"p99":%d,"failed":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
