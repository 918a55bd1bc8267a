-- Keeps a value for a while, and all of them together within a bound: those that would end first go first.
-- KEYS: the value; the names by when they end, their sizes, the sum of these. ARGV: name, value, milliseconds, bytes.
local value, ends, sizes, sum = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local name, seconds, most = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4])
local prefix = string.sub(value, 1, -1 - string.len(name))
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function drop(one)
  local size = redis.call('HGET', sizes, one)
  redis.call('DEL', prefix .. one)
  redis.call('ZREM', ends, one)
  if size then
    redis.call('HDEL', sizes, one)
    return redis.call('DECRBY', sum, size)
  end
  return tonumber(redis.call('GET', sum) or 0)
end

for _, one in ipairs(redis.call('ZRANGEBYSCORE', ends, '-inf', now, 'LIMIT', 0, 100)) do drop(one) end
drop(name)
redis.call('SET', value, ARGV[2], 'PX', seconds)
redis.call('ZADD', ends, now + seconds, name)
local size = string.len(ARGV[2]) + 400
redis.call('HSET', sizes, name, size)
local total = redis.call('INCRBY', sum, size)
while total > most do
  local first = redis.call('ZRANGE', ends, 0, 0)[1]
  if not first then
    redis.call('SET', sum, 0)
    break
  end
  total = drop(first)
end
return total
