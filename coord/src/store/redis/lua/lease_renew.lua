settle()
local member = look_up(ARGV[1])
if not member then
  close_if_empty()
  return {0}
end
local lasts = tonumber(member.state == 'h' and ARGV[2] or ARGV[3])
redis.call('ZADD', DEADLINES, now + lasts, member.owner)
keep(lasts)
return standing(member)
