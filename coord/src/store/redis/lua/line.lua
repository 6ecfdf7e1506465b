-- The line of contenders, for as long as there is more than one.
--
-- The lease is a hash then. A field per owner: 'state|weight|capacity|label|epoch:number|channel', state 'h'
-- for one who holds and 'w' for one who waits. Further fields: 'granted' and 'used' count the holders and
-- sum their weights, 'arrivals' numbers those who enter, 'capacities' counts who is present with which
-- ('5=3,8=1'), 'traces' as above. The line orders owners by arrival, the deadlines by when they expire.
-- Holders are the first in line, always.
--
-- This is the beginning of a function that is given the name of the lease as LEASE, so that nothing of it is
-- made for a lease that has no line. The names of its two other keys have the same hash tag.
local TOKENS, LINE, DEADLINES = KEYS[1], LEASE .. ':line', LEASE .. ':deadlines'
local TRACES_KEPT, TRACES_LAST = 8 * 18, 15000
local SLACK = 60000
-- On a cluster, whoever comes first after a failover begins the epoch in which others are granted.
if begin_epoch then begin_epoch(TOKENS, 0, true) end

local function milliseconds()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local now = milliseconds()

-- What is known of one in line.
local function look_up(owner)
  local text = redis.call('HGET', LEASE, owner)
  if not text then return nil end
  local state, weight, capacity, label, token, channel =
    string.match(text, '^(%a)|(%d+)|(%d+)|([^|]*)|([%d:]+)|(.*)$')
  return {
    owner = owner, state = state, weight = tonumber(weight), capacity = tonumber(capacity),
    label = label, token = token, channel = channel,
  }
end

local function write(member)
  redis.call('HSET', LEASE, member.owner, member.state .. '|' .. member.weight .. '|' .. member.capacity .. '|' ..
    member.label .. '|' .. member.token .. '|' .. member.channel)
end

local function number_of(field)
  return tonumber(redis.call('HGET', LEASE, field) or '0')
end

-- The capacity in force is the smallest of those present, or `at_most`.
local function capacity_in_force(at_most)
  for capacity in string.gmatch(redis.call('HGET', LEASE, 'capacities') or '', '(%d+)=') do
    at_most = math.min(at_most, tonumber(capacity))
  end
  return at_most
end

local function count_capacity(capacity, by)
  local counts, found = {}, false
  for text, count in string.gmatch(redis.call('HGET', LEASE, 'capacities') or '', '(%d+)=(%d+)') do
    count = tonumber(count)
    if tonumber(text) == capacity then
      count = count + by
      found = true
    end
    if count > 0 then counts[#counts + 1] = text .. '=' .. count end
  end
  if not found and by > 0 then counts[#counts + 1] = capacity .. '=' .. by end
  redis.call('HSET', LEASE, 'capacities', table.concat(counts, ','))
end

-- One that is larger than the capacity takes all of it.
local function fits(weight, capacity)
  local used = number_of('used')
  return used == 0 or used + weight <= capacity
end

-- The next token, of the epoch in force.
local function next_token()
  local epoch = redis.call('HGET', TOKENS, 'epoch')
  redis.call('HINCRBY', TOKENS, epoch, '1')
  return epoch .. ':' .. redis.call('HGET', TOKENS, epoch)
end

local function epoch_of(token)
  return string.match(token, '^%d+')
end

-- Gives one the next token, and those who wait behind it later ones, so that grants stay in order.
local function number_anew(member)
  member.token = next_token()
  write(member)
  local behind = math.max(redis.call('ZRANK', LINE, member.owner) + 1, number_of('granted'))
  for _, owner in ipairs(redis.call('ZRANGE', LINE, behind, -1)) do
    local other = look_up(owner)
    other.token = next_token()
    write(other)
  end
end

local function add(member, lasts)
  write(member)
  redis.call('ZADD', LINE, redis.call('HINCRBY', LEASE, 'arrivals', '1'), member.owner)
  redis.call('ZADD', DEADLINES, now + lasts, member.owner)
  count_capacity(member.capacity, 1)
  if member.state == 'h' then
    redis.call('HINCRBY', LEASE, 'granted', '1')
    redis.call('HINCRBY', LEASE, 'used', member.weight)
  end
end

local function remove(member)
  redis.call('HDEL', LEASE, member.owner)
  redis.call('ZREM', LINE, member.owner)
  redis.call('ZREM', DEADLINES, member.owner)
  count_capacity(member.capacity, -1)
  if member.state == 'h' then
    redis.call('HINCRBY', LEASE, 'granted', '-1')
    redis.call('HINCRBY', LEASE, 'used', -member.weight)
  end
end

-- Grants whoever fits now, in order, and tells them. A token from before the epoch in force is replaced, and with it those
-- of all behind: who came since then has one of this epoch already, which must be the later one.
local function hand_over()
  while true do
    local owner = redis.call('ZRANGE', LINE, number_of('granted'), number_of('granted'))[1]
    if not owner then return end
    local member = look_up(owner)
    if not fits(member.weight, capacity_in_force(member.capacity)) then return end
    local epoch = redis.call('HGET', TOKENS, 'epoch')
    if epoch and epoch_of(member.token) ~= epoch then number_anew(member) end
    member.state = 'h'
    write(member)
    redis.call('HINCRBY', LEASE, 'granted', '1')
    redis.call('HINCRBY', LEASE, 'used', member.weight)
    if member.channel ~= '' then redis.call(PUBLISH, member.channel, owner .. member.token) end
  end
end

-- Removes those whose deadline has passed, and hands over.
local function settle()
  local expired = redis.call('ZRANGEBYSCORE', DEADLINES, '-inf', now)
  for _, owner in ipairs(expired) do
    local member = look_up(owner)
    if member then
      remove(member)
    else
      -- Of an earlier line, whose hash is gone.
      redis.call('ZREM', LINE, owner)
      redis.call('ZREM', DEADLINES, owner)
    end
  end
  if #expired > 0 then hand_over() end
end

-- Turns an empty line back into what a free lease is: traces, or nothing. Says whether it was empty.
local function close_if_empty()
  if redis.call('ZCARD', LINE) > 0 then return false end
  local traces = redis.call('HGET', LEASE, 'traces') or ''
  redis.call('DEL', LEASE, LINE, DEADLINES)
  if traces ~= '' then redis.call('SET', LEASE, string.sub(traces, 2), 'PX', TRACES_LAST) end
  return true
end

-- Keeps the line for longer than anybody in it. The other two keys are gone while nobody is in line, and come back without
-- an end, also if the hash has lasted.
local function keep(lasts)
  if redis.call('PTTL', LEASE) < lasts + SLACK or redis.call('PTTL', LINE) < 0 then
    redis.call('PEXPIRE', LEASE, lasts + 2 * SLACK)
    redis.call('PEXPIRE', LINE, lasts + 2 * SLACK)
    redis.call('PEXPIRE', DEADLINES, lasts + 2 * SLACK)
  end
end

-- What a sole holder's text says.
local function parse_sole(text)
  local owner = string.sub(text, 2, 17)
  local wait, weight, capacity, label, token, traces =
    string.match(text, '^(%d*)|(%d+)|(%d+)|([^|]*)|([%d:]+)(.*)$', 18)
  return {
    owner = owner, state = 'h', weight = tonumber(weight), capacity = tonumber(capacity),
    label = label, token = token, channel = '', wait = wait,
  }, traces
end

-- Opens a line, with the sole holder as its first.
local function open_line(holder, traces)
  local lasts = redis.call('PTTL', LEASE)
  redis.call('DEL', LEASE, LINE, DEADLINES)
  redis.call('HSET', LEASE, 'traces', traces)
  add(holder, lasts)
  keep(lasts)
end

-- Milliseconds until somebody can expire, for the one who is next; -1 for the others.
local function look_again_in(rank)
  if rank ~= number_of('granted') then return -1 end
  local first = redis.call('ZRANGE', DEADLINES, '0', '0', 'WITHSCORES')
  return math.max(tonumber(first[2]) - now, 0)
end

-- Where one stands: {1, token} or {2, token, ahead, milliseconds until it should look again}.
local function standing(member)
  if member.state == 'h' then return {1, member.token} end
  local rank = redis.call('ZRANK', LINE, member.owner)
  return {2, member.token, rank, look_again_in(rank)}
end

local function add_trace(traces, trace)
  return '#' .. trace .. string.sub(traces, 1, TRACES_KEPT - 18)
end
