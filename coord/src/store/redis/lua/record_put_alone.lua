-- Stores records, each if its condition holds. The answers follow each other: 1 for each that was stored, 0 for
-- each whose condition does not hold because there is nothing, and otherwise two values, the record that is
-- there and the milliseconds that it has left, or -1. One that follows another which was not stored has no answer.
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
-- nobody; and four more if the next one is stored only if this one was.
local call, sub, byte = redis.call, string.sub, string.byte

local function set(record, written, lasts, ...)
  if lasts == '' then return call('SET', record, written, ...) end
  return call('SET', record, written, 'PX', lasts, ...)
end

-- `written` behind all earlier operations, where `told` of them are in it already.
local function behind(earlier, written, told)
  return sub(written, 1, 17) .. string.char(#earlier / 16) .. earlier .. sub(written, 19 + 16 * told)
end

-- What most find: nothing where there may be nothing, something where there must be nothing, the version that there
-- must be and no earlier one, or whatever may be there. Nothing if it is not that simple.
local function put_simply(record, written, condition, lasts, there)
  local kind = byte(condition)
  if not there then
    return (kind == 97 or kind == 110) and set(record, written, lasts, 'NX') and 1
  elseif byte(there) ~= 76 or string.find(there, sub(written, 2, 17), 1, true) then
    return
  elseif kind == 97 then
    return there, call('PTTL', record)
  elseif kind == 118 and byte(there, 18) == 0 and sub(there, 2, 17) == sub(condition, 3) then
    set(record, written, lasts)
    return 1
  elseif kind == 110 then
    local earlier = sub(there, 19, 18 + 16 * math.min(byte(there, 18), 7))
    set(record, behind(sub(there, 2, 17) .. earlier, written, 0), lasts)
    return 1
  end
end

local function tell(record, tells)
  local place, name = string.match(record, '^(.-){coord:(.*)}:record$')
  if tells ~= 50 then call('ZADD', KEYS[1], '0', name) end
  if tells ~= 49 then call(PUBLISH, place .. 'coord:record:' .. name, '') end
end

-- One alone, as most are, is done with before anything is made for several. That it was stored is answered without a
-- table around it, which costs the server as much as a command.
if #KEYS == 2 then
  local there = redis.pcall('GET', KEYS[2])
  if type(there) ~= 'table' then
    local answer, left = put_simply(KEYS[2], ARGV[1], ARGV[2], ARGV[3], there)
    if left then return {answer, left} end
    if answer then
      local tells = byte(ARGV[2], 2)
      if tells ~= 48 then tell(KEYS[2], tells) end
      return 1
    end
  end
end
