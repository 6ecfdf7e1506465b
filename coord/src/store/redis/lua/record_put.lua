-- As above, for several, and for one that is not that simple.

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
  set(record, written, lasts)
  return 1
end

-- What is not a string is not seen here.
local found = call('MGET', unpack(KEYS, 2))
local answers, next_answer, at, changed, left_out = {}, 1, 1, {}, false
for index = 2, #KEYS do
  local record, written, condition, lasts = KEYS[index], ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local tells = byte(condition, 2)
  local leads = tells > 51
  if leads then tells = tells - 4 end
  if left_out then
    left_out = leads
  else
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
      if tells ~= 48 then tell(record, tells) end
    end
    left_out = leads and answer ~= 1
  end
  at = at + 3
end
return answers
