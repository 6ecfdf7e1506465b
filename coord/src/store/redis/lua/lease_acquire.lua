-- Enters the lines for leases. What is nobody's is granted right here; the function above sees to the rest.
--
-- KEYS  1 the tokens  2… the leases: a string while one has one contender or none, a hash while it has a line
-- ARGV  1 epoch  2 how many leases, as text  3 channel of those who wait  4 floor of the token as
--       'epoch:number', or ''; for each lease: '+owner|weight|capacity|label|epoch:', ttl, ttl in line or '' (an
--       owner is 16 bytes)
--
-- A sole holder is the first of these and its number. When it leaves, the lease is gone. Only if one of its
-- requests may yet come, something stays that keeps it out: '-' in place of the '+', or '~owner' for one who
-- never came. A lease of that kind is free, and who comes next keeps it as a trace: '#-owner', '#~owner'.

-- When what lasts so many milliseconds from now ends. A time is cheaper to set than a duration, and most ask
-- for the same.
local function deadlines()
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  return setmetatable({}, {
    __index = function(known, lasts)
      known[lasts] = string.format('%.0f', now + tonumber(lasts))
      return known[lasts]
    end,
  })
end

local call = redis.call
local wanted = #KEYS - 1
local number = call('HINCRBY', KEYS[1], ARGV[1], ARGV[2]) - wanted
if number == 0 then
  -- Nothing was counted under this epoch: it is not the one in force.
  call('HDEL', KEYS[1], ARGV[1])
  return -1
end
-- A time is cheaper to set than a duration, once it is known.
local unit, ends = 'PX', nil
if wanted > 2 then unit, ends = 'PXAT', deadlines() end
local floor_is_asked_for = ARGV[4] ~= ''
local answers, at = {}, 5
for index = 1, wanted do
  local lease, lasts = KEYS[index + 1], ARGV[at + 1]
  if ends then lasts = ends[lasts] end
  number = number + 1
  -- Numbers have fewer digits than are lost when they are turned into text without a format.
  if not floor_is_asked_for and call('SET', lease, ARGV[at] .. number, 'NX', unit, lasts) then
    answers[index] = number
  else
    answers[index] = attempt(contended, lease, redis.pcall('GET', lease), at)
  end
  at = at + 3
end
return answers
