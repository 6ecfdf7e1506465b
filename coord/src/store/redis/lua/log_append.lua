-- Appends to logs, each if it has the length that is expected: -1 for each that has the entry now, and the length for
-- each that was too long or too short. That all have it is answered once.
--
-- KEYS  the logs
-- ARGV  for each: operation, expected length, value, channel of those who watch
--
-- An entry is the operation and the value. Nearly all fit, so each is appended, which tells the length, and taken back
-- if it does not.
local call, sub = redis.call, string.sub

local function append(log, at)
  local operation, expected = ARGV[at], tonumber(ARGV[at + 1])
  local length = call('RPUSH', log, operation .. ARGV[at + 2]) - 1
  if length == expected then
    call(PUBLISH, ARGV[at + 3], '')
    return -1
  end
  call('RPOP', log)
  if length > expected and sub(call('LINDEX', log, expected - length), 1, 16) == operation then return -1 end
  return length
end

if #KEYS == 1 then return append(KEYS[1], 1) end
local answers, is_done = {}, true
for index, log in ipairs(KEYS) do
  answers[index] = attempt(append, log, 4 * index - 3)
  is_done = is_done and answers[index] == -1
end
return is_done and -1 or answers
