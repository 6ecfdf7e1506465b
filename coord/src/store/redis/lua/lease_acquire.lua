-- Enters the lines for leases. What is nobody's is granted right here; the function above sees to the rest.
--
-- KEYS  1 the tokens  2… the leases: a string while one has one contender or none, a hash while it has a line
-- ARGV  1 epoch  2 channel of those who wait  3 floor of the token as 'epoch:number', or ''; for each lease:
--       '+owner|weight|capacity|label|epoch:', ttl, ttl in line or '' (an owner is 16 bytes)
--
-- A sole holder is the first of these and its number. When it leaves, the '+' becomes '-', and the lease is
-- free; '~owner' is what one who never came leaves behind. The next holder keeps that as a trace of them:
-- '#-owner' or '#~owner'. So a release sent twice answers the same, and nobody who left gets in again.
local wanted = #KEYS - 1
local number = redis.call('HINCRBY', KEYS[1], ARGV[1], wanted)
if number == wanted then
  -- Nothing was counted under this epoch: it is not the one in force.
  redis.call('HDEL', KEYS[1], ARGV[1])
  return -1
end
number = number - wanted
-- A time is cheaper to set than a duration, once it is known.
local unit, ends = 'PX', nil
if wanted > 2 then unit, ends = 'PXAT', deadlines() end
local answers = {}
for index = 1, wanted do
  local lease, at = KEYS[index + 1], 3 * index + 1
  local there = redis.pcall('GET', lease)
  local is_free, traces = not there, ''
  if type(there) == 'string' and string.byte(there) ~= 43
    and not string.find(there, string.sub(ARGV[at], 2, 17), 1, true) then
    is_free = true
    local older = string.find(there, '#', 18, true)
    traces = '#' .. string.sub(there, 1, 17) .. (older and string.sub(there, older, older + 35) or '')
  end
  if is_free and ARGV[3] == '' then
    number = number + 1
    redis.call('SET', lease, ARGV[at] .. string.format('%d', number) .. traces, unit,
      ends and ends[ARGV[at + 1]] or ARGV[at + 1])
    answers[index] = number
  else
    answers[index] = attempt(contended, lease, there, at)
  end
end
return answers
