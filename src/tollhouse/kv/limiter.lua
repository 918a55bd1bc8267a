-- Decides all calls of one trip. KEYS[1] is the prefix, ARGV[2] to [5] are milliseconds: the window, a tick, how long
-- an open call lives unless it is renewed, and when to ask again for a place. ARGV[1] is JSON:
--   [limits, ended, renewed, arrears, orders]
--   limits   [name, rpm, tpm, concurrency], -1 where there is none; all else names them by their number, from 1
--   ended    [id, tick, requests, tokens, limit...]: a call is over; what to add to what it took at that tick (-1: none)
--   renewed  [limit, id...]: calls that are open still
--   arrears  [limit, requests, tokens]: what was let in while this server was away
--   orders   [id, least, most, limit...]
-- The answer has one line of numbers for each order, as kv/limit_trip.py reads it.
--
-- Of each name: a hash with what was taken in each tick and the sums, a list of these ticks, oldest first, and a
-- sorted set of open calls by the time at which they end unless they are renewed. Times are this server's.

local WINDOW, TICK, LEASE, BUSY = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local SPAN = WINDOW / TICK
local STEP_BACK = 100 -- ticks by which the clock may be behind what it was: more is a clock that was set

local input = cjson.decode(ARGV[1])
local limits, ended, renewed, arrears, orders = input[1], input[2], input[3], input[4], input[5]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local tick = math.floor(now / TICK)
local call, max, min = redis.call, math.max, math.min

local function number(value) return value and tonumber(value) or 0 end

-- Windows -----------------------------------------------------------------------------------------------------

local windows = {}

local function read(name)
  local key = KEYS[1] .. ':' .. name
  local w = { counts = key .. ':counts', ticks = key .. ':ticks', r = 0, t = 0 }
  local found = call('HMGET', w.counts, 'r', 't', 'newest')
  w.requests, w.tokens, w.newest = number(found[1]), number(found[2]), number(found[3])
  w.oldest = tonumber(call('LINDEX', w.ticks, 0) or nil)
  if w.newest - tick > STEP_BACK or not w.oldest then
    if found[1] or w.oldest then call('DEL', w.counts, w.ticks) end
    w.requests, w.tokens, w.newest, w.oldest = 0, 0, 0, nil
  end
  tick = max(tick, w.newest)
  windows[name] = w
end

local function forget_old(w)
  local first = tick - SPAN
  if w.newest < first and w.oldest then
    call('DEL', w.counts, w.ticks)
    w.requests, w.tokens, w.newest, w.oldest = 0, 0, 0, nil
  end
  local many = 8
  while w.oldest and w.oldest < first do
    many = min(many * 2, 512)
    local ticks, fields = call('LRANGE', w.ticks, 0, many), {}
    local old = 0
    while old < many and ticks[old + 1] and tonumber(ticks[old + 1]) < first do
      old = old + 1
      fields[#fields + 1] = ticks[old] .. 'r'
      fields[#fields + 1] = ticks[old] .. 't'
    end
    local values = call('HMGET', w.counts, unpack(fields))
    for i = 1, #values, 2 do
      w.requests = max(0, w.requests - number(values[i]))
      w.tokens = max(0, w.tokens - number(values[i + 1]))
    end
    call('HDEL', w.counts, unpack(fields))
    call('LTRIM', w.ticks, old, -1)
    w.oldest = tonumber(ticks[old + 1] or nil)
    w.changed = true
  end
  if w.newest == tick then
    local found = call('HMGET', w.counts, tick .. 'r', tick .. 't')
    w.r, w.t = number(found[1]), number(found[2])
  end
end

local function add(w, requests, tokens)
  w.r, w.t = w.r + requests, w.t + tokens
  w.requests, w.tokens = w.requests + requests, w.tokens + tokens
  w.touched = true
end

-- What calls took at a tick is made what they used. More than they took counts from now on.
local function correct(w)
  for at, sums in pairs(w.corrected or {}) do
    local requests, tokens = sums[1], sums[2]
    if at == tick then
      if w.newest == tick then add(w, max(requests, -w.r), max(tokens, -w.t)) end
    elseif at >= tick - SPAN then
      local found = call('HMGET', w.counts, at .. 'r', at .. 't')
      if found[1] then
        requests, tokens = max(requests, -number(found[1])), max(tokens, -number(found[2]))
        call('HSET', w.counts, at .. 'r', found[1] + requests, at .. 't', found[2] + tokens)
        w.requests, w.tokens = max(0, w.requests + requests), max(0, w.tokens + tokens)
        w.changed = true
      end
    end
  end
end

local function to_correct(w, at, requests, tokens)
  if tokens > 0 then
    add(w, 0, tokens)
    tokens = 0
  end
  if requests ~= 0 or tokens ~= 0 then
    w.corrected = w.corrected or {}
    local sums = w.corrected[at] or { 0, 0 }
    w.corrected[at] = { sums[1] + requests, sums[2] + tokens }
  end
end

local function write(w)
  if w.touched then
    call('HSET', w.counts, 'r', w.requests, 't', w.tokens, 'newest', tick, tick .. 'r', w.r, tick .. 't', w.t)
    if w.newest ~= tick or not w.oldest then
      call('RPUSH', w.ticks, tick)
      call('PEXPIRE', w.ticks, WINDOW + 1000)
      call('PEXPIRE', w.counts, WINDOW + 1000)
    end
  elseif w.changed and w.oldest then
    call('HSET', w.counts, 'r', w.requests, 't', w.tokens)
  end
end

local function leaves(at) return max(1, min(WINDOW, (at + 1) * TICK + WINDOW - now)) end

-- In how many milliseconds so much more than there is room for has left the window.
local function frees(w, kind, excess)
  local walked = w.walked or { at = {}, r = {}, t = {} }
  w.walked = walked
  local i = 0
  while true do
    i = i + 1
    if i > #walked.at and not walked.all then
      local ticks, fields = call('LRANGE', w.ticks, i - 1, i + 30), {}
      for k = 1, #ticks do
        fields[#fields + 1] = ticks[k] .. 'r'
        fields[#fields + 1] = ticks[k] .. 't'
      end
      if #ticks > 0 then
        local values = call('HMGET', w.counts, unpack(fields))
        for k = 1, #ticks do
          walked.at[i + k - 1] = tonumber(ticks[k])
          walked.r[i + k - 1] = number(values[2 * k - 1])
          walked.t[i + k - 1] = number(values[2 * k])
        end
      end
      walked.all = #ticks < 32
    end
    local at = walked.at[i]
    if not at or at == tick then return leaves(tick) end
    excess = excess - walked[kind][i]
    if excess <= 0 then return leaves(at) end
  end
end

-- Open calls --------------------------------------------------------------------------------------------------

local slots = {}

local function open_key(name) return KEYS[1] .. ':' .. name .. ':open' end

local function slots_of(name)
  local s = slots[name]
  if not s then
    s = { key = open_key(name), new = {} }
    call('ZREMRANGEBYSCORE', s.key, '-inf', now)
    call('ZREMRANGEBYSCORE', s.key, now + LEASE + 1000, '+inf') -- the clock was set back: who is open is renewed
    s.count = call('ZCARD', s.key)
    slots[name] = s
  end
  return s
end

-- What ended, what is still open, what is new -----------------------------------------------------------------

for _, limit in ipairs(limits) do
  if not windows[limit[1]] and (limit[2] >= 0 or limit[3] >= 0) then read(limit[1]) end
end
for _, w in pairs(windows) do forget_old(w) end

local closed = {}
for _, one in ipairs(ended) do
  for i = 5, #one do
    local limit = limits[one[i]]
    local name = limit[1]
    local w = windows[name]
    if w and one[2] >= 0 then to_correct(w, one[2], one[3], one[4]) end
    if limit[4] >= 0 then
      closed[name] = closed[name] or {}
      table.insert(closed[name], one[1])
    end
  end
end
for _, w in pairs(windows) do correct(w) end
for name, ids in pairs(closed) do call('ZREM', open_key(name), unpack(ids)) end
for _, one in ipairs(renewed) do
  local key, scored = open_key(limits[one[1]][1]), {}
  for i = 2, #one do
    scored[#scored + 1] = now + LEASE
    scored[#scored + 1] = one[i]
  end
  call('ZADD', key, unpack(scored))
  call('PEXPIRE', key, 2 * LEASE)
end
for _, one in ipairs(arrears) do
  local w = windows[limits[one[1]][1]]
  if w then add(w, one[2], one[3]) end
end

local REQUESTS, TOKENS, CONCURRENCY, NEVER = 0, 1, 2, math.huge

-- The limits of each kind of which least is left: number, what is left, when all of it is there again.
local function standing(order)
  local r, t
  for i = 4, #order do
    local limit = limits[order[i]]
    local w = windows[limit[1]]
    if w then
      local left = limit[2] - w.requests
      if limit[2] >= 0 and (not r or left < r[2]) then r = { order[i], left, w } end
      left = limit[3] - w.tokens
      if limit[3] >= 0 and (not t or left < t[2]) then t = { order[i], left, w } end
    end
  end
  local out = ''
  for _, one in ipairs({ r or false, t or false }) do
    if one then
      local w = one[3]
      local last = w.touched and tick or w.oldest and w.newest
      out = out .. ',' .. one[1] .. ',' .. max(0, one[2]) .. ',' .. (last and leaves(last) or 0)
    else
      out = out .. ',0,0,0'
    end
  end
  return out
end

local function decide(order)
  local least, charged = order[2], order[3]
  local worst, kind, which = -1, nil, nil
  local function refuse(as, i, wait)
    if wait > worst then worst, kind, which = wait, as, i end
  end
  for k = 4, #order do
    local i = order[k]
    local limit = limits[i]
    local rpm, tpm, concurrency = limit[2], limit[3], limit[4]
    local w = windows[limit[1]]
    if rpm >= 0 and w.requests >= rpm then
      refuse(REQUESTS, i, rpm == 0 and NEVER or frees(w, 'r', w.requests + 1 - rpm))
    end
    if tpm >= 0 then
      local room = tpm - w.tokens
      if room < least then
        refuse(TOKENS, i, least > tpm and NEVER or frees(w, 't', least - room))
      end
      charged = min(charged, room)
    end
    if concurrency >= 0 and slots_of(limit[1]).count >= concurrency then refuse(CONCURRENCY, i, BUSY) end
  end
  if kind then return '0,' .. kind .. ',' .. which .. ',' .. (worst == NEVER and -1 or worst) .. standing(order) end
  for k = 4, #order do
    local limit = limits[order[k]]
    local w = windows[limit[1]]
    if w and (limit[2] >= 0 or limit[3] >= 0) then add(w, 1, charged) end
    if limit[4] >= 0 then
      local s = slots_of(limit[1])
      s.count = s.count + 1
      s.new[#s.new + 1] = now + LEASE
      s.new[#s.new + 1] = order[1]
    end
  end
  return '1,' .. tick .. ',' .. charged .. ',0' .. standing(order)
end

local answers = {}
for i, order in ipairs(orders) do answers[i] = decide(order) end

for _, w in pairs(windows) do write(w) end
for _, s in pairs(slots) do
  if #s.new > 0 then
    call('ZADD', s.key, unpack(s.new))
    call('PEXPIRE', s.key, 2 * LEASE)
  end
end
return table.concat(answers, ';')
