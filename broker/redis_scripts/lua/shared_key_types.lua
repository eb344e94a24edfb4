-- Checks of the types of keys, by their places in KEYS. KINDS holds the required types in the order of KEYS,
-- again and again if a script takes several groups of keys.
-- is_sound: true if each key is absent or has the required type.
-- broken: the error to return for the first key of a wrong type, or nothing.
-- replace_broken: deletes the keys of a wrong type.
-- on_key: performs a command on the key at a place, without a check beforehand: that costs a command. Returns nil
-- if the key has a wrong type; the command has changed nothing then.
local sound = {}

local function kind(i)
  return KINDS[(i - 1) % #KINDS + 1]
end

local function is_sound(...)
  for _, i in ipairs({...}) do
    if not sound[i] then
      local found = redis.call('TYPE', KEYS[i]).ok
      if found ~= 'none' and found ~= kind(i) then return false end
      sound[i] = true
    end
  end
  return true
end

local function broken(...)
  for _, i in ipairs({...}) do
    if not is_sound(i) then
      return redis.error_reply('WRONGTYPE ' .. KEYS[i] .. ' is no ' .. kind(i) .. ': delete this key')
    end
  end
end

local function replace_broken(...)
  for _, i in ipairs({...}) do
    if not is_sound(i) then redis.call('DEL', KEYS[i]) end
  end
end

local function on_key(i, command, ...)
  local answer = redis.pcall(command, KEYS[i], ...)
  if type(answer) == 'table' and answer.err then
    if not string.match(answer.err, '^WRONGTYPE') then return redis.call(command, KEYS[i], ...) end
    return nil
  end
  sound[i] = true
  return answer
end
