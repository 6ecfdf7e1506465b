-- As above, for several, and for one whom others wait for.
local find = string.find
local RECEIPT_LASTS = '30000'

-- What is not a string is not seen here.
local there = redis.call('MGET', unpack(KEYS, 3))
local function holds(index, mark)
  return there[index] and find(there[index], mark, 1, true) == 1
end

local all_hold = true
for index, mark in ipairs(ARGV) do all_hold = all_hold and holds(index, mark) end
if all_hold then
  redis.call('DEL', unpack(KEYS, 3))
  redis.call('SET', KEYS[2], table.concat(ARGV), 'PX', RECEIPT_LASTS)
  return 1
end

local answers, released, free = {}, {}, {}
for index, mark in ipairs(ARGV) do
  local lease = KEYS[index + 2]
  if holds(index, mark) then
    free[#free + 1] = lease
    released[#released + 1] = mark
    answers[index] = 1
  elseif not there[index] then
    -- A line, unless one before this one was the last in it.
    local left = redis.pcall('GET', lease)
    if type(left) == 'table' then
      answers[index] = attempt(contended, lease, string.sub(mark, 2))
    else
      answers[index] = left and find(left, '-' .. string.sub(mark, 2), 1, true) and 1 or 0
    end
  else
    answers[index] = 0
  end
end
if #free > 0 then
  redis.call('DEL', unpack(free))
  redis.call('SET', KEYS[2], table.concat(released), 'PX', RECEIPT_LASTS)
end
return answers
