-- Checks of the types of keys, by their places in KEYS. KINDS holds the required types in the order of KEYS.
-- is_sound: true if each key is absent or has the required type.
-- broken: the error to return for the first key of a wrong type, or nothing.
-- replace_broken: deletes the keys of a wrong type.
local function is_sound(...)
  for _, i in ipairs({...}) do
    local found = redis.call('TYPE', KEYS[i]).ok
    if found ~= 'none' and found ~= KINDS[i] then return false end
  end
  return true
end

local function broken(...)
  for _, i in ipairs({...}) do
    if not is_sound(i) then
      return redis.error_reply('WRONGTYPE ' .. KEYS[i] .. ' is no ' .. KINDS[i] .. ': delete this key')
    end
  end
end

local function replace_broken(...)
  for _, i in ipairs({...}) do
    if not is_sound(i) then redis.call('DEL', KEYS[i]) end
  end
end
