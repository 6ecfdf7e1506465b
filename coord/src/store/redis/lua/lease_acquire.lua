-- Enters the lines for leases. What is nobody's is granted right here; the function above sees to the rest.
--
-- KEYS  1 the tokens  2… the leases: a string while one has one contender or none, a hash while it has a line
-- ARGV  1 epoch  2 channel of those who wait  3 floor of the token as 'epoch:number', or ''; for each lease:
--       '+owner|weight|capacity|label|epoch:', ttl, ttl in line or '' (an owner is 16 bytes)
--
-- A sole holder is the first of these and its number. When it leaves, the lease is gone. Only if one of its
-- requests may yet come, something stays that keeps it out: '-' in place of the '+', or '~owner' for one who
-- never came. A lease of that kind is free, and who comes next keeps it as a trace: '#-owner', '#~owner'.
local wanted = #KEYS - 1
local number = redis.call('HINCRBY', KEYS[1], ARGV[1], string.format('%d', wanted))
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
  local lasts = ends and ends[ARGV[at + 1]] or ARGV[at + 1]
  number = number + 1
  if ARGV[3] == '' and redis.call('SET', lease, ARGV[at] .. string.format('%d', number), 'NX', unit, lasts) then
    answers[index] = number
  else
    answers[index] = attempt(contended, lease, redis.pcall('GET', lease), at)
  end
end
return answers
