-- wrk script: prints the results as one line of JSON. With an argument N, each connection waits N milliseconds on average
-- before each request (evenly spread over 1 to 2N-1), which gives a fixed rate as long as the server answers quickly.

function init(args)
  local mean = tonumber(args[1])
  if mean then
    math.randomseed(tonumber(tostring({}):match('0x(%x+)'), 16))
    delay = function() return math.random(1, 2 * mean - 1) end
  end
end

function done(summary, latency)
  local e = summary.errors
  print(string.format(
    '{"requests":%d,"durationUs":%d,"p50Us":%d,"p99Us":%d,"errors":%d}',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout
  ))
end
