-- Somebody is there, or a floor for the token is asked for.
local owner = string.sub(ARGV[at], 2, 17)
local wait_lasts, weight, capacity, label = string.match(ARGV[at], '^(%d*)|(%d+)|(%d+)|([^|]*)|', 18)
local floor_token, channel = string.match(ARGV[2], '^([^|]*)|(.*)$')
local lasts = tonumber(ARGV[at + 1])
weight, capacity = tonumber(weight), tonumber(capacity)
local queues = wait_lasts ~= ''
local traces = ''
if type(there) == 'string' and string.byte(there) ~= 43 then
  if string.find(there, owner, 1, true) then return {0} end
  traces = '#' .. there
  there = false
end

if not redis.call('HGET', TOKENS, redis.call('HGET', TOKENS, 'epoch') or '') then return -1 end

if floor_token ~= '' then
  -- Tokens go on from the floor, if they are not beyond it.
  local epoch, number = string.match(floor_token, '^(%d+):(%d+)$')
  local current = redis.call('HGET', TOKENS, 'epoch')
  if tonumber(epoch) > tonumber(current) then
    redis.call('HDEL', TOKENS, current)
    redis.call('HSET', TOKENS, 'epoch', epoch, epoch, math.max(tonumber(number) - 1, 1))
  elseif tonumber(epoch) == tonumber(current) and tonumber(number) > tonumber(redis.call('HGET', TOKENS, current)) then
    redis.call('HSET', TOKENS, current, tonumber(number) - 1)
  end
end

local function below_floor(token)
  if floor_token == '' then return false end
  local epoch, number = string.match(token, '^(%d+):(%d+)$')
  local floor_epoch, floor = string.match(floor_token, '^(%d+):(%d+)$')
  if epoch ~= floor_epoch then return tonumber(epoch) < tonumber(floor_epoch) end
  return tonumber(number) < tonumber(floor)
end

if type(there) == 'string' then
  local holder, left = parse_sole(there)
  if string.find(left, owner, 1, true) then return {0} end
  if holder.owner == owner then
    if below_floor(holder.token) then
      holder.token = next_token()
      redis.call('SET', LEASE, '+' .. owner .. holder.wait .. '|' .. holder.weight .. '|' .. holder.capacity .. '|' ..
        holder.label .. '|' .. holder.token .. left, 'KEEPTTL')
    end
    if redis.call('PTTL', LEASE) < lasts then redis.call('PEXPIRE', LEASE, ARGV[at + 1]) end
    return {1, holder.token}
  end
  if not queues and holder.weight + weight > math.min(holder.capacity, capacity) then return {0} end
  open_line(holder, left)
elseif there then
  if string.find(redis.call('HGET', LEASE, 'traces') or '', owner, 1, true) then return {0} end
  settle()
else
  redis.call('DEL', LEASE, LINE, DEADLINES)
end

local member = look_up(owner)
if member then
  if below_floor(member.token) then number_anew(member) end
  if member.state == 'h' then
    -- Handed over before the answer was seen, it has the deadline of one who waits, and is about to believe in its ttl.
    redis.call('ZADD', DEADLINES, 'GT', now + lasts, owner)
    keep(lasts)
  end
  return standing(member)
end

local grants = number_of('granted') == redis.call('ZCARD', LINE) and fits(weight, capacity_in_force(capacity))
if not grants and not queues then
  close_if_empty()
  return {0}
end
if redis.call('HEXISTS', LEASE, 'traces') == 0 then redis.call('HSET', LEASE, 'traces', traces) end
if not grants then lasts = tonumber(wait_lasts) end
member = {
  owner = owner, state = grants and 'h' or 'w', weight = weight, capacity = capacity, label = label,
  token = next_token(), channel = channel,
}
add(member, lasts)
keep(lasts)
return standing(member)
