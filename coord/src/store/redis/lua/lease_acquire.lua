-- As above, for several, and for one who finds somebody.

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

local call, format = redis.call, string.format
local wanted = #KEYS - 1
local number = call('HINCRBY', KEYS[1], ARGV[1], wanted) - wanted
if number == 0 then
  -- Nothing was counted under this epoch: it is not the one in force.
  call('HDEL', KEYS[1], ARGV[1])
  return -1
end
-- A time is cheaper to set than a duration, once it is known.
local unit, ends = 'PX', nil
if wanted > 2 then unit, ends = 'PXAT', deadlines() end
local floor_is_asked_for = string.byte(ARGV[2]) ~= 124
-- The number of the first, if each is granted the one that follows; otherwise an answer for each.
local first, answers, at = number + 1, nil, 3
for index = 1, wanted do
  local lease, lasts = KEYS[index + 1], ARGV[at + 1]
  if ends then lasts = ends[lasts] end
  number = number + 1
  if floor_is_asked_for or not call('SET', lease, ARGV[at] .. format('%d', number), 'NX', unit, lasts) then
    if not answers then
      answers = {}
      for before = 1, index - 1 do answers[before] = first + before - 1 end
    end
    answers[index] = attempt(contended, lease, redis.pcall('GET', lease), at)
  elseif answers then
    answers[index] = number
  end
  at = at + 2
end
return answers or first
