-- Extends the deadlines of contenders.
--
-- KEYS  1 the tokens  2… the leases
-- ARGV  for each lease: '+owner', ttl if it holds, ttl if it waits
local answers = {}
for index = 1, #KEYS - 1 do
  local lease, at = KEYS[index + 1], 3 * index - 2
  local there = redis.pcall('GET', lease)
  if type(there) == 'table' then
    answers[index] = attempt(contended, lease, at)
  elseif there and string.sub(there, 1, 17) == ARGV[at] then
    redis.call('PEXPIRE', lease, ARGV[at + 1])
    answers[index] = {1, string.match(there, '|(%d+:%d+)', 18)}
  else
    answers[index] = {0}
  end
end
return answers
