-- Sends the requests of a file, one a line: bodies of POST, in which sixteen number signs are the place of an ID that no
-- other request has. Prints a line of JSON at the end.
--   wrk … -s requests.lua http://127.0.0.1:PORT/PATH -- FILE NUMBER
-- NUMBER is the stretch's own: by it, by the thread and by a count an ID is made.

local bit = require('bit')

local FRESH = string.rep('#', 16)

-- Scatters what is counted, as the IDs of workflows are, and not in the order that suits an index best.
local SCATTER = 0x9E3779B97F4A7C15ULL

local thread_count = 0

function setup(thread)
  thread:set('thread_number', thread_count)
  thread_count = thread_count + 1
end

local requests = {}
local next_request = 0
local next_id

function init(args)
  local headers = { ['Content-Type'] = 'application/json' }
  for body in io.lines(args[1]) do
    local text = wrk.format('POST', wrk.path, headers, body)
    local first, last = text:find(FRESH, 1, true)
    table.insert(requests, first and { text:sub(1, first - 1), text:sub(last + 1) } or { text })
  end
  next_id = (tonumber(args[2]) * 16ULL + thread_number) * 4294967296ULL
end

function request()
  local parts = requests[next_request % #requests + 1]
  next_request = next_request + 1
  if #parts == 1 then
    return parts[1]
  end
  next_id = next_id + 1
  return parts[1] .. bit.tohex(next_id * SCATTER) .. parts[2]
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    '{"requests":%d,"errors":%d,"seconds":%f,"p50":%f,"p99":%f}',
    summary.requests, errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    summary.duration / 1e6, latency:percentile(50), latency:percentile(99)))
end
