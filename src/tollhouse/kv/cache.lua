-- Keeps a value for a while, and all of them together within a bound: the oldest make room.
-- KEYS: the value; names by when they end, and by when they came; their sizes, the sum of these.
-- ARGV: name, value, milliseconds, bytes; how many records like the value are kept under the name, 0 for it alone.
local value, ends, came, sizes, sum = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local name, milliseconds, most = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4])
local prefix = string.sub(value, 1, -1 - string.len(name))
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function drop(one)
  local size = redis.call('HGET', sizes, one)
  redis.call('DEL', prefix .. one)
  redis.call('ZREM', ends, one)
  redis.call('ZREM', came, one)
  if size then
    redis.call('HDEL', sizes, one)
    return redis.call('DECRBY', sum, size)
  end
  return tonumber(redis.call('GET', sum) or 0)
end

local kept, records = ARGV[2], tonumber(ARGV[5])
if records > 0 then
  local before = redis.call('GET', value) or ''
  if #before % #kept == 0 then kept = string.sub(before .. kept, -records * #kept) end
end
for _, one in ipairs(redis.call('ZRANGEBYSCORE', ends, '-inf', now, 'LIMIT', 0, 100)) do drop(one) end
drop(name)
redis.call('SET', value, kept, 'PX', milliseconds)
redis.call('ZADD', ends, now + milliseconds, name)
redis.call('ZADD', came, time[1] * 1000000 + time[2], name)
local size = #kept + 400
redis.call('HSET', sizes, name, size)
local total = redis.call('INCRBY', sum, size)
while total > most do
  local first = redis.call('ZRANGE', came, 0, 0)[1]
  if not first then
    redis.call('SET', sum, 0)
    break
  end
  total = drop(first)
end
return total
