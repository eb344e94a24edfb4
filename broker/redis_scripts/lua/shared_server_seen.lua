-- server: the run_id of this server process, or '' if the provider hides it.
-- is_seen: true if the owner of the call has checked its log since this server process started. Always true where
-- the provider hides run_id.
local life

local function server()
  life = life or string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') or ''
  return life
end

local function is_seen(meta)
  return redis.call('HGET', meta, 'server') == server()
end
