-- As above, for several, and for one whom others wait for.
local RECEIPT_LASTS, TRACES_LAST = '30000', '15000'

-- What is not a string is not seen here.
local there = redis.call('MGET', unpack(KEYS, 3))

local all_hold_alone = true
for index, mark in ipairs(ARGV) do all_hold_alone = all_hold_alone and holds_alone(there[index], mark) end
if all_hold_alone then
  redis.call('DEL', unpack(KEYS, 3))
  redis.call('SET', KEYS[2], table.concat(ARGV), 'PX', RECEIPT_LASTS)
  return 1
end

local answers, released, free = {}, {}, {}
for index, mark in ipairs(ARGV) do
  local lease = KEYS[index + 2]
  if there[index] and sub(there[index], 1, 17) == mark then
    -- Traces of others stay, as they do when a line ends.
    local traces = string.match(there[index], '^%d*|%d+|%d+|[^|]*|[%d:]+#(.+)$', 18)
    if traces then
      redis.call('SET', lease, traces, 'PX', TRACES_LAST)
    else
      free[#free + 1] = lease
    end
    released[#released + 1] = mark
    answers[index] = 1
  elseif not there[index] then
    -- A line, unless one before this one was the last in it.
    local left = redis.pcall('GET', lease)
    if type(left) == 'table' then
      answers[index] = attempt(contended, lease, sub(mark, 2))
      if answers[index] == 1 then released[#released + 1] = mark end
    else
      answers[index] = left and find(left, '-' .. sub(mark, 2), 1, true) and 1 or 0
    end
  else
    answers[index] = 0
  end
end
if #free > 0 then redis.call('DEL', unpack(free)) end
if #released > 0 then
  redis.call('SET', KEYS[2], table.concat(released), 'PX', RECEIPT_LASTS)
end
return answers
