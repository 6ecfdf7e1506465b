-- Leaves the lines, and hands over: 1 for each who was in line, 0 for each who was not.
--
-- KEYS  1 the tokens  2 the receipt of this request  3… the leases
-- ARGV  for each lease: '+owner'
--
-- The receipt tells who was released, so that a release whose reply was lost can be told from one that came
-- too late. It is this request's alone, so that writing it replaces what was there.
local call, find = redis.call, string.find
local RECEIPT_LASTS = '30000'

-- One alone, as most are: what was held becomes the receipt, which is one command less.
if #ARGV == 1 then
  local holder = redis.pcall('GET', KEYS[3])
  if type(holder) == 'string' and find(holder, ARGV[1], 1, true) == 1 then
    call('RENAME', KEYS[3], KEYS[2])
    return {1}
  end
end

-- What is not a string is not seen here.
local there = call('MGET', unpack(KEYS, 3))
local answers, released, free = {}, {}, {}
for index, mark in ipairs(ARGV) do
  local lease, holder = KEYS[index + 2], there[index]
  if holder and find(holder, mark, 1, true) == 1 then
    free[#free + 1] = lease
    released[#released + 1] = mark
    answers[index] = 1
  elseif not holder and call('EXISTS', lease) == 1 then
    answers[index] = attempt(contended, lease, string.sub(mark, 2))
  else
    answers[index] = 0
  end
end
if #free > 0 then
  call('DEL', unpack(free))
  call('SET', KEYS[2], table.concat(released), 'PX', RECEIPT_LASTS)
end
return answers
