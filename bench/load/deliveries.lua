-- Posts signed deliveries, each once: a line with the signature, then one with the body. DELAY_MS is the mean pause of a connection.
local file
local mean = tonumber(os.getenv('DELAY_MS') or '0')

function init(args)
  file = assert(io.open(args[1], 'r'))
  math.randomseed(7)
end

if mean > 0 then
  function delay()
    return math.floor(-mean * math.log(1 - math.random()))
  end
end

function request()
  local signature, body = file:read('*l'), file:read('*l')
  if body == nil then return wrk.format('POST', '/used-up') end
  return wrk.format('POST', '/api/stripe/webhook', { ['Stripe-Signature'] = signature, ['Content-Type'] = 'application/json' }, body)
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format('\nRESULT {"requests":%d,"microseconds":%d,"p50":%d,"p99":%d,"failed":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
