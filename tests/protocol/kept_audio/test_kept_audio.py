"""Keys, chunks and files of kept audio: what is encrypted, what damage does, and what a lost key means."""

import base64

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.kept_audio.chunk_cipher import ChunkCipher, DamagedChunkError, new_salt
from protocol.kept_audio.master_keys import (
    KeyUnwrapError,
    MasterKeyError,
    MasterKeys,
    new_key,
    read_master_keys,
)
from protocol.kept_audio.parts import (
    FILE_HEAD_BYTES,
    RECORD_HEAD_BYTES,
    PartDecoder,
    PartEncoder,
    record_head,
)
from protocol.kept_audio.policy import read_audio_policy
from protocol.kept_audio.sealed_file import CHUNK_BYTES, FileSealer, FileUnsealer, chunks_of
from protocol.kept_audio.sealed_file import FILE_HEAD_BYTES as SEALED_HEAD_BYTES

SECOND = np.random.default_rng(1).integers(-9_000, 9_000, 8_000).astype(np.int16)


@pytest.mark.parametrize(
    ("text", "kept", "not_kept"),
    [
        ("", (), ("", "acme")),
        ("*", ("", "acme"), ()),
        ("acme, globex", ("acme", "globex"), ("", "other")),
        ("*,-acme", ("", "globex"), ("acme",)),
    ],
)
def test_audio_is_kept_of_the_tenants_in_the_setting_only(
    text: str, kept: tuple[str, ...], not_kept: tuple[str, ...]
) -> None:
    policy = read_audio_policy(text)

    assert all(policy.keeps(one) for one in kept)
    assert not any(policy.keeps(one) for one in not_kept)
    assert policy.keeps_any == bool(kept)


@pytest.mark.parametrize("text", ["-acme", "acme,-globex", "ACME", "*,-A"])
def test_a_policy_that_can_mean_two_things_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="tenant"):
        read_audio_policy(text)


def test_a_key_unwraps_only_with_its_master_key_and_for_its_file() -> None:
    old, new, key = MasterKeys((new_key(),)), MasterKeys((new_key(),)), new_key()
    wrapped = old.wrap(key, "a")

    assert MasterKeys((*new.keys, *old.keys)).unwrap(wrapped, "a") == key
    assert key not in wrapped
    for keys, sealed, name in [
        (new, wrapped, "a"),
        (old, wrapped, "b"),
        (old, wrapped[:-1], "a"),
        (old, b"", "a"),
        (old, bytes([*wrapped[:-1], wrapped[-1] ^ 1]), "a"),
    ]:
        with pytest.raises(KeyUnwrapError):
            keys.unwrap(sealed, name)


def test_a_key_file_has_keys_newest_first_and_says_what_is_wrong_with_it() -> None:
    lines = [base64.b64encode(bytes([number]) * 32).decode() for number in range(2)]

    assert read_master_keys("# new\n" + "\n".join(lines)).keys == (b"\0" * 32, b"\1" * 32)
    assert "AAAA" not in repr(read_master_keys(lines[0]))
    for wrong in ("", "# nothing", "c2hvcnQ=", "not base64!"):
        with pytest.raises(MasterKeyError, match="head -c 32"):
            read_master_keys(wrong)


def test_a_part_gives_its_records_back_and_holds_none_of_its_samples() -> None:
    key = new_key()
    encoder = PartEncoder(key, new_salt(), 8_000)
    content = encoder.head + encoder.record(1, 16_000, SECOND) + encoder.end()
    decoder = PartDecoder(key, content[:FILE_HEAD_BYTES])
    start = FILE_HEAD_BYTES + RECORD_HEAD_BYTES

    head = record_head(content[FILE_HEAD_BYTES:start])

    assert head is not None
    assert (head.channel, head.position, head.samples, head.is_end) == (1, 16_000, 8_000, False)
    assert decoder.rate == 8_000
    assert np.array_equal(decoder.samples(head, content[start : start + head.length]), SECOND)
    last = record_head(content[start + head.length :][:RECORD_HEAD_BYTES])
    assert last is not None
    assert last.is_end
    raw = SECOND.tobytes()
    assert not any(raw[at : at + 16] in content for at in range(0, len(raw) - 16, 16))


def test_a_record_under_another_key_or_at_another_place_is_refused() -> None:
    key = new_key()
    encoder = PartEncoder(key, new_salt(), 8_000)
    one, other = encoder.record(0, 0, SECOND), encoder.record(0, 8_000, SECOND)
    head = record_head(one[:RECORD_HEAD_BYTES])
    assert head is not None

    for wrong_key, body in [
        (new_key(), one[RECORD_HEAD_BYTES:]),
        (key, other[RECORD_HEAD_BYTES:]),
        (key, one[RECORD_HEAD_BYTES:-1]),
    ]:
        with pytest.raises(DamagedChunkError):
            PartDecoder(wrong_key, encoder.head).samples(head, body)
    with pytest.raises(DamagedChunkError):
        PartDecoder(key, b"TLAP\x02" + encoder.head[5:])


def test_the_same_samples_twice_give_different_bytes() -> None:
    encoder = PartEncoder(new_key(), new_salt(), 8_000)

    first, second = encoder.record(0, 0, SECOND), encoder.record(0, 0, SECOND)

    assert first[RECORD_HEAD_BYTES:] != second[RECORD_HEAD_BYTES:]


def test_one_key_and_salt_gives_other_ciphers_for_parts_and_files() -> None:
    key, salt = new_key(), new_salt()

    assert ChunkCipher(key, salt, "part").seal(1, b"x") != ChunkCipher(key, salt, "file").seal(
        1, b"x"
    )


@given(st.integers(0, 3 * CHUNK_BYTES), st.data())
def test_any_range_of_a_sealed_file_is_read_from_its_chunks_alone(
    size: int, data: st.DataObject
) -> None:
    plain = np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8).tobytes()
    key = new_key()
    sealer = FileSealer(key, new_salt())
    content = sealer.head
    for start in range(0, size, 50_000):
        content += sealer.feed(plain[start : start + 50_000])
    content += sealer.finish()
    assert sealer.size == size
    if not size:
        return
    first = data.draw(st.integers(0, size - 1))
    last = data.draw(st.integers(first, size - 1))

    unsealer = FileUnsealer(key, content[:SEALED_HEAD_BYTES])
    chunks = chunks_of(first, last, size)
    read = b"".join(
        unsealer.open(one, content[one.offset : one.offset + one.length]) for one in chunks
    )

    assert read == plain[first : last + 1]
    assert len(chunks) <= (last - first) // CHUNK_BYTES + 2


def test_a_cut_or_changed_sealed_file_is_refused() -> None:
    key = new_key()
    sealer = FileSealer(key, new_salt())
    content = sealer.head + sealer.feed(b"audio" * 30_000) + sealer.finish()
    chunk = chunks_of(0, 10, sealer.size)[0]
    sealed = content[chunk.offset : chunk.offset + chunk.length]

    for body in (sealed[:-1], sealed[:9] + bytes([sealed[9] ^ 1]) + sealed[10:]):
        with pytest.raises(DamagedChunkError):
            FileUnsealer(key, sealer.head).open(chunk, body)
    with pytest.raises(DamagedChunkError):
        FileUnsealer(new_key(), sealer.head).open(chunk, sealed)
    with pytest.raises(DamagedChunkError):
        FileUnsealer(key, sealer.head[:-1])
