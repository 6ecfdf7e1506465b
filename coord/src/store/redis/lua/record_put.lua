-- Stores records, each if its condition holds. The answers follow each other: 1 for each that was stored, 0 for
-- each whose condition does not hold because there is nothing, and otherwise two values, the record that is
-- there and the milliseconds that it has left, or -1.
--
-- KEYS  1 the index of what is listed  2… the records
-- ARGV  for each record: itself, as it is to be stored; condition; ttl or ''
--
-- A record is 'L' while it lives and 'D' once deleted, the operation that wrote it (which is its version), a byte
-- that counts earlier operations, these, and the value. It comes with those operations that its condition tells,
-- which most often are all there are.
--
-- A condition is one letter: 'n' none, 'a' absent, 'v' the version that follows, 'e' equal to the value that
-- follows. Between the letter and that stands whom to tell: '1' the index, '2' those who watch, '3' both, '0'
-- nobody.
local call, sub, byte = redis.call, string.sub, string.byte

-- What most find: nothing where there must be nothing, the version that there must be and no earlier one, or
-- something where there must be nothing. Nothing if it is not that simple.
local function put_simply(record, written, condition, lasts, there)
  local kind = byte(condition)
  if lasts == '' then return end
  if not there then
    return kind == 97 and call('SET', record, written, 'NX', 'PX', lasts) and 1
  elseif byte(there) ~= 76 or string.find(there, sub(written, 2, 17), 1, true) then
    return
  elseif kind == 97 then
    return there, call('PTTL', record)
  elseif kind == 118 and byte(there, 18) == 0 and sub(there, 2, 17) == sub(condition, 3) then
    call('SET', record, written, 'PX', lasts)
    return 1
  end
end

-- One alone, as most are, is done with before anything is made for several.
if #KEYS == 2 and byte(ARGV[2], 2) == 48 then
  local there = redis.pcall('GET', KEYS[2])
  if type(there) ~= 'table' then
    local answer, left = put_simply(KEYS[2], ARGV[1], ARGV[2], ARGV[3], there)
    if answer then return {answer, left} end
  end
end

local function tell(record, tells)
  local name = string.match(record, '^{coord:(.*)}:record$')
  if tells ~= 50 then call('ZADD', KEYS[1], '0', name) end
  if tells ~= 49 then call('PUBLISH', 'coord:record:' .. name, '') end
end

-- `written` behind all earlier operations, where `told` of them are in it already.
local function behind(earlier, written, told)
  return sub(written, 1, 17) .. string.char(#earlier / 16) .. earlier .. sub(written, 19 + 16 * told)
end

-- Stores one, in whatever state it is found; its one or two answers.
local function put(record, written, condition, lasts)
  local kind, operation = byte(condition), sub(written, 2, 17)
  local there = call('GET', record) or ''
  local lives, version, count = byte(there) == 76, sub(there, 2, 17), byte(there, 18) or 0
  local earlier, value_at = sub(there, 19, 18 + 16 * count), 19 + 16 * count
  if version == operation or string.find(earlier, operation, 1, true) then return 1 end
  local holds = kind == 110
    or (kind == 97 and not lives)
    or (kind == 118 and lives and version == sub(condition, 3))
    or (kind == 101 and lives and sub(there, value_at) == sub(condition, 3))
  if not holds then
    if not lives then return 0 end
    return there, call('PTTL', record)
  end
  if there ~= '' then written = behind(version .. sub(earlier, 1, 112), written, kind == 118 and 1 or 0) end
  if lasts == '' then
    call('SET', record, written)
  else
    call('SET', record, written, 'PX', lasts)
  end
  return 1
end

-- What is not a string is not seen here.
local found = call('MGET', unpack(KEYS, 2))
local answers, next_answer, at, changed = {}, 1, 1, {}
for index = 2, #KEYS do
  local record, written, condition, lasts = KEYS[index], ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local answer, left
  if not changed[record] then answer, left = put_simply(record, written, condition, lasts, found[index - 1]) end
  if not answer then
    answer, left = attempt(put, record, written, condition, lasts)
  end
  answers[next_answer] = answer
  next_answer = next_answer + 1
  if left then
    answers[next_answer] = left
    next_answer = next_answer + 1
  elseif answer == 1 then
    changed[record] = true
    local tells = byte(condition, 2)
    if tells ~= 48 then tell(record, tells) end
  end
  at = at + 3
end
return answers
