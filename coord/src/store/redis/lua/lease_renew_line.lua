settle()
local member = look_up(string.sub(ARGV[at], 2))
if not member then
  close_if_empty()
  return {0}
end
local lasts = tonumber(member.state == 'h' and ARGV[at + 1] or ARGV[at + 2])
redis.call('ZADD', DEADLINES, now + lasts, member.owner)
keep(lasts)
return standing(member)
