-- Stores records, each if its condition holds: 1 for each that was stored, 0 for each whose condition does not
-- hold because there is nothing, and otherwise {milliseconds left or -1, the record that is there}.
--
-- KEYS  1 the index of what is listed  2… the records
-- ARGV  for each record: operation, condition, value, ttl or '', the key's name in the index or '', channel of
--       those who watch or ''
--
-- A condition is one letter: 'n' none, 'a' absent, 'v' the version that follows, 'e' equal to the value that
-- follows. A record is 'L' while it lives and 'D' once deleted, the operation that wrote it (which is its
-- version), a byte that counts earlier operations, these, and the value.
local call, sub = redis.call, string.sub

local function stored(listed, channel)
  if listed ~= '' then call('ZADD', KEYS[1], '0', listed) end
  if channel ~= '' then call('PUBLISH', channel, '') end
  return 1
end

local function put(record, operation, condition, value, lasts, listed, channel)
  local kind = string.byte(condition)
  -- Most often it is a new record, and there is nothing.
  if kind == 97 and lasts ~= '' and call('SET', record, 'L' .. operation .. '\0' .. value, 'NX', 'PX', lasts) then
    return stored(listed, channel)
  end
  local whole = kind == 97 or kind == 101
  local there = whole and (call('GET', record) or '') or call('GETRANGE', record, '0', '17')
  local earlier, version, lives = '', sub(there, 2, 17), string.byte(there) == 76
  if there ~= '' then
    local count = string.byte(there, 18)
    if count > 0 then earlier = call('GETRANGE', record, '18', tostring(17 + 16 * count)) end
    if version == operation or string.find(earlier, operation, 1, true) then return 1 end
  end
  local holds = kind == 110
    or (kind == 97 and not lives)
    or (kind == 118 and lives and version == sub(condition, 2))
    or (kind == 101 and lives and sub(there, 19 + #earlier) == sub(condition, 2))
  if not holds then
    if not lives then return 0 end
    return {call('PTTL', record), whole and there or call('GET', record)}
  end
  if there ~= '' then earlier = version .. sub(earlier, 1, 112) end
  local written = 'L' .. operation .. string.char(#earlier / 16) .. earlier .. value
  if lasts == '' then
    call('SET', record, written)
  else
    call('SET', record, written, 'PX', lasts)
  end
  return stored(listed, channel)
end

local answers, at = {}, 1
for index = 2, #KEYS do
  answers[index - 1] = attempt(
    put, KEYS[index], ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4], ARGV[at + 5]
  )
  at = at + 6
end
return answers
