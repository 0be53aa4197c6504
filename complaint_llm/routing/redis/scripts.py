"""What a SharedRateLimit does inside Redis, each in one step and by Redis' clock. Times in microseconds.

An admission is an entry, by the moment from which it may be sent, in a log of requests and in one of tokens.
"""

_CORRECT = """
local function correct(requests, tokens, sum, first)
  -- ARGV from ``first``, three for each: entry, tokens reserved, tokens used (-1: nothing was sent)
  for i = first, #ARGV, 3 do
    local entry, reserved, used = ARGV[i], ARGV[i + 1], ARGV[i + 2]
    if used == '-1' then redis.call('ZREM', requests, entry) end
    used = math.max(0, tonumber(used))
    local old = entry .. '|' .. reserved
    local at = redis.call('ZSCORE', tokens, old)
    if at then
      redis.call('ZREM', tokens, old)
      redis.call('ZADD', tokens, at, entry .. '|' .. used)
      redis.call('INCRBY', sum, used - reserved)
    end
  end
end
"""

CORRECT = f"""
-- KEYS: requests, tokens, token sum. ARGV: see correct
{_CORRECT}
correct(KEYS[1], KEYS[2], KEYS[3], 1)
"""
"""Give back what was not sent, and put the tokens right."""

ADMIT = f"""
-- KEYS: epoch, hold, requests, tokens, token sum, processes
-- ARGV: known epoch, entry, request limit (0: none), its window in us, token limit (0: none), tokens, process,
-- how many us ahead it may be admitted, then what earlier admissions came to: see correct
{_CORRECT}
correct(KEYS[3], KEYS[4], KEYS[5], 9)
""" + """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local epoch = redis.call('GET', KEYS[1])
if not epoch then
  epoch = ARGV[2]
  redis.call('SET', KEYS[1], epoch)
end
if epoch ~= ARGV[1] then return {'epoch', epoch} end
redis.call('ZADD', KEYS[6], now, ARGV[7])
redis.call('ZREMRANGEBYSCORE', KEYS[6], '-inf', now - 60000000)
local processes = redis.call('ZCARD', KEYS[6])
local wait = 0
local hold = redis.call('PTTL', KEYS[2])
if hold > 0 then
  if redis.call('GET', KEYS[2]) == 'quota' then return {'quota', tostring(hold / 1000), processes} end
  wait = hold * 1000
end
local limit, window = tonumber(ARGV[3]), tonumber(ARGV[4])
if limit > 0 then
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now - window)
  local over = redis.call('ZCARD', KEYS[3]) - limit
  if over >= 0 then
    wait = math.max(wait, redis.call('ZRANGE', KEYS[3], over, over, 'WITHSCORES')[2] + window - now)
  end
end
local most, tokens = tonumber(ARGV[5]), tonumber(ARGV[6])
if most > 0 then
  local minute = 60000000
  for _, entry in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', now - minute)) do
    redis.call('DECRBY', KEYS[5], string.match(entry, '|(%d+)$'))
  end
  redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now - minute)
  tokens = math.min(tokens, most)
  local over = (tonumber(redis.call('GET', KEYS[5])) or 0) + tokens - most
  if over > 0 then
    local log = redis.call('ZRANGE', KEYS[4], 0, -1, 'WITHSCORES')
    for i = 1, #log, 2 do
      over = over - string.match(log[i], '|(%d+)$')
      if over <= 0 then
        wait = math.max(wait, log[i + 1] + minute - now)
        break
      end
    end
  end
end
local seconds = tostring(wait / 1000000)
if wait > tonumber(ARGV[8]) then return {'wait', seconds, processes} end
local at = string.format('%.0f', now + wait)
if limit > 0 then
  redis.call('ZADD', KEYS[3], at, ARGV[2])
  redis.call('PEXPIRE', KEYS[3], math.ceil(window / 1000) + 1000)
end
if most > 0 then
  redis.call('ZADD', KEYS[4], at, ARGV[2] .. '|' .. tokens)
  redis.call('INCRBY', KEYS[5], tokens)
  redis.call('PEXPIRE', KEYS[4], 61000)
  redis.call('PEXPIRE', KEYS[5], 61000)
end
return {'ok', seconds, processes, at}
"""
"""Look and take: the seconds until it may be sent if it is admitted, until there is room if not."""

RESTORE = """
-- KEYS: requests, tokens, token sum. ARGV: request limit, its window in us, token limit, then for each admission its
-- entry, age in us, tokens reserved and tokens as they stand
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
for i = 4, #ARGV, 4 do
  local entry, at = ARGV[i], string.format('%.0f', now - ARGV[i + 1])
  local reserved, tokens = ARGV[i + 2], ARGV[i + 3]
  if tonumber(ARGV[1]) > 0 then redis.call('ZADD', KEYS[1], 'NX', at, entry) end
  if tonumber(ARGV[3]) > 0 then
    if reserved ~= tokens and redis.call('ZREM', KEYS[2], entry .. '|' .. reserved) == 1 then
      redis.call('DECRBY', KEYS[3], reserved)
    end
    if redis.call('ZADD', KEYS[2], 'NX', at, entry .. '|' .. tokens) == 1 then
      redis.call('INCRBY', KEYS[3], tokens)
    end
  end
end
redis.call('PEXPIRE', KEYS[1], math.ceil(ARGV[2] / 1000) + 1000)
redis.call('PEXPIRE', KEYS[2], 61000)
redis.call('PEXPIRE', KEYS[3], 61000)
"""
"""Tell Redis what a process was admitted to, by it or without it; telling it twice changes nothing."""

HOLD = """
-- KEYS: hold. ARGV: what, milliseconds
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
"""
"""Remember a provider's word that nothing should be sent for a while."""

_MILLISECONDS = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""

LOOK = f"""
-- KEYS: lease, then the answers to each digest
-- ARGV: token, how many ms the lease is good for, 1: take it although there are answers
-- Returns whether the lease was taken, and the answers: {{place of the digest, identity, ms left (-1: for ever), text}}
{_MILLISECONDS}
local found = {{}}
for place = 2, #KEYS do
  local kept = redis.call('HGETALL', KEYS[place])
  for at = 1, #kept, 2 do
    local space = string.find(kept[at + 1], ' ', 1, true)
    local ends = space and tonumber(string.sub(kept[at + 1], 1, space - 1))
    if not ends or (ends > 0 and ends <= now) then
      redis.call('HDEL', KEYS[place], kept[at])
    else
      local left = ends > 0 and ends - now or -1
      found[#found + 1] = {{place - 2, kept[at], left, string.sub(kept[at + 1], space + 1)}}
    end
  end
end
local leads = 0
if (#found == 0 or ARGV[3] == '1') and redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then leads = 1 end
return {{leads, found}}
"""

KEEP = f"""
-- KEYS: lease, then where the answer is kept
-- ARGV: token, the answer, then for each place the identity of who answered and how many ms it is good for (0: ever)
{_MILLISECONDS}
for place = 2, #KEYS do
  local identity, life = ARGV[place * 2 - 1], tonumber(ARGV[place * 2])
  local left = redis.call('PTTL', KEYS[place])
  redis.call('HSET', KEYS[place], identity, string.format('%.0f', life > 0 and now + life or 0) .. ' ' .. ARGV[2])
  if life == 0 then
    redis.call('PERSIST', KEYS[place])
  elseif left == -2 or (left >= 0 and left < life) then
    redis.call('PEXPIRE', KEYS[place], life)
  end
end
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
"""
