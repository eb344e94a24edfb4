-- KEYS outbox   ARGV call log event...
-- Put all events of a call into the outbox again, the first as seq 1, because the outbox was deleted from outside.
local no = broken(1)
if no then return no end
for i = 3, #ARGV do
  redis.call('XADD', KEYS[1], '*', 'c', ARGV[1], 'l', ARGV[2], 's', i - 2, 'e', ARGV[i])
end
return #ARGV - 2
