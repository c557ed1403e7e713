-- Sends the requests of a file again and again, and prints the result as a line of JSON.
--   wrk … --script requests.lua http://127.0.0.1:PORT/PATH -- FILE NUMBER
-- A line of FILE is the body of a POST. An API key and a tab may precede it. Sixteen number signs are replaced by an ID
-- that no other request has. NUMBER differs in each run, and is a part of the IDs.

local bit = require('bit')

local FRESH = string.rep('#', 16)

-- Spreads the IDs, because those of workflows are not in an index's order.
local SPREAD = 0x9E3779B97F4A7C15ULL

local thread_count = 0

function setup(thread)
  thread:set('thread_number', thread_count)
  thread_count = thread_count + 1
end

local requests = {}
local next_request = 0
local next_id

function init(args)
  for line in io.lines(args[1]) do
    local headers = { ['Content-Type'] = 'application/json' }
    local key, body = line:match('^(%S+)\t(.*)$')
    if key then
      headers['Authorization'] = 'Bearer ' .. key
    end
    local text = wrk.format('POST', wrk.path, headers, body or line)
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
  return parts[1] .. bit.tohex(next_id * SPREAD) .. parts[2]
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    '{"requests":%d,"errors":%d,"seconds":%f,"p50":%f,"p99":%f}',
    summary.requests, errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    summary.duration / 1e6, latency:percentile(50), latency:percentile(99)))
end
