-- As above, for several, and for one whom others wait for.
local find = string.find
local RECEIPT_LASTS = '30000'

-- What is not a string is not seen here.
local there = redis.call('MGET', unpack(KEYS, 3))
local answers, released, free = {}, {}, {}
for index, mark in ipairs(ARGV) do
  local lease, holder = KEYS[index + 2], there[index]
  if holder and find(holder, mark, 1, true) == 1 then
    free[#free + 1] = lease
    released[#released + 1] = mark
    answers[index] = 1
  elseif not holder and redis.call('EXISTS', lease) == 1 then
    answers[index] = attempt(contended, lease, string.sub(mark, 2))
  else
    answers[index] = 0
  end
end
if #free > 0 then
  redis.call('DEL', unpack(free))
  redis.call('SET', KEYS[2], table.concat(released), 'PX', RECEIPT_LASTS)
end
return answers
