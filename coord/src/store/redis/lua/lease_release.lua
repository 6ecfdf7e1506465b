-- Leaves the lines, and hands over: 1 for each who was in line, 0 for each who was not.
--
-- KEYS  1 the tokens  2 the receipts of the client  3… the leases
-- ARGV  for each lease: '+owner', and 'careful' if a request of this owner may yet come, or has come before
--
-- The receipts list who was released, so that a release whose reply was lost can be told from one that came
-- too late.
-- Numbers that are handed to commands are written as text, which costs less than to have them printed.
local LAST_RECEIPT, RECEIPTS_LAST, MARKS_LAST = '999', '30000', '15000'
local TRACES_AT_MOST = 1000
local receipts = KEYS[2]

local function has_receipt(owner)
  for _, released in ipairs(redis.call('LRANGE', receipts, '0', '-1')) do
    if string.find(released, owner, 1, true) then return true end
  end
  return false
end

-- One who is not the holder, and may have been, or may come too late.
local function release_late(lease, owner)
  local there = redis.call('GET', lease)
  local at = there and string.find(there, owner, 1, true)
  if at then return string.byte(there, at - 1) == 45 and 1 or 0 end
  if has_receipt(owner) then return 1 end
  if not there then
    redis.call('SET', lease, '~' .. owner, 'PX', MARKS_LAST)
  elseif #there < TRACES_AT_MOST then
    redis.call('APPEND', lease, '#~' .. owner)
  end
  return 0
end

local answers, released = {}, {}
for index = 1, #KEYS - 2 do
  local lease, mark, careful = KEYS[index + 2], ARGV[2 * index - 1], ARGV[2 * index] == 'careful'
  local holder = redis.pcall('GETRANGE', lease, '0', '16')
  if type(holder) == 'table' then
    answers[index] = attempt(contended, lease, string.sub(mark, 2))
  elseif holder == mark then
    if careful then redis.call('SETRANGE', lease, '0', '-') else redis.call('DEL', lease) end
    answers[index] = 1
    released[#released + 1] = mark
  elseif careful then
    answers[index] = release_late(lease, string.sub(mark, 2))
  else
    answers[index] = 0
  end
end
if #released > 0 then
  redis.call('LPUSH', receipts, table.concat(released))
  redis.call('LTRIM', receipts, '0', LAST_RECEIPT)
  redis.call('PEXPIRE', receipts, RECEIPTS_LAST)
end
return answers
