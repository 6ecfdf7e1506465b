-- Leaves the lines, and hands over: 1 for each who was in line, 0 for each who was not.
--
-- KEYS  1 the tokens  2… the leases
-- ARGV  for each lease: '+owner'
local TRACES_AT_MOST = 1000

-- What to answer for one who is not the holder, but may have been, or may come too late.
local function release_other(lease, there, owner)
  local at = there and string.find(there, owner, 1, true)
  if at then return string.byte(there, at - 1) == 45 and 1 or 0 end
  if not there then
    redis.call('SET', lease, '~' .. owner, 'PX', 15000)
  elseif #there < TRACES_AT_MOST then
    redis.call('APPEND', lease, '#~' .. owner)
  end
  return 0
end

local answers = {}
for index = 1, #KEYS - 1 do
  local lease = KEYS[index + 1]
  local there = redis.pcall('GET', lease)
  if type(there) == 'table' then
    answers[index] = attempt(contended, lease, string.sub(ARGV[index], 2))
  elseif there and string.sub(there, 1, 17) == ARGV[index] then
    redis.call('SETRANGE', lease, 0, '-')
    answers[index] = 1
  else
    answers[index] = release_other(lease, there, string.sub(ARGV[index], 2))
  end
end
return answers
