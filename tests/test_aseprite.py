"""Files of Aseprite, read by a reader that follows the description of the format field by field."""

import struct
import zlib

import numpy as np
import pytest

from pixel_edu import sprites
from pixel_edu.aseprite import MILLISECONDS, aseprite_bytes
from pixel_edu.pixelart import cut_out

DRAWN = sprites.make(6, seed=5).images
NAMES = ["food-1", "side_view-2", "été", "a b", "e", "f" * 300]


SIZES = {"BYTE": "B", "WORD": "H", "SHORT": "h", "DWORD": "I"}


class Reader:
    """Reads little-endian fields one after another, by the names that the description gives their types."""

    def __init__(self, content: bytes) -> None:
        self.content, self.place = content, 0

    def take(self, count: int) -> bytes:
        taken = self.content[self.place : self.place + count]
        assert len(taken) == count, "the file ends too early"
        self.place += count
        return taken

    def field(self, kind: str) -> int:
        (value,) = struct.unpack("<" + SIZES[kind], self.take(struct.calcsize(SIZES[kind])))
        return value

    def fields(self, *kinds: str) -> list[int]:
        return [self.field(kind) for kind in kinds]

    def text(self) -> str:
        return self.take(self.field("WORD")).decode()


def read(content: bytes):
    """The images (N, H, W, 4), the tags, the layers' names and the palette of a file of one layer."""
    file = Reader(content)
    size, magic, frames, width, height, depth = file.fields("DWORD", "WORD", "WORD", "WORD", "WORD", "WORD")
    assert (size, magic) == (len(content), 0xA5E0)
    flags, _, zero, nil, clear = file.fields("DWORD", "WORD", "DWORD", "DWORD", "BYTE")
    assert (flags, zero, nil, file.take(3)) == (1, 0, 0, bytes(3))
    colors, *ratio = file.fields("WORD", "BYTE", "BYTE")
    assert ratio == [1, 1]
    assert file.fields("SHORT", "SHORT", "WORD", "WORD") == [0, 0, width, height]
    assert file.take(84) == bytes(84)
    found, tags, layers, palette = [], [], [], None
    for _ in range(frames):
        start = file.place
        length, magic, old, duration = file.fields("DWORD", "WORD", "WORD", "WORD")
        assert (magic, duration, file.take(2)) == (0xF1FA, MILLISECONDS, bytes(2))
        chunks = file.field("DWORD")
        assert old == chunks
        for _ in range(chunks):
            begin = file.place
            chunk, kind = file.fields("DWORD", "WORD")
            if kind == 0x2004:
                assert file.fields(*["WORD"] * 6, "BYTE") == [3, 0, 0, 0, 0, 0, 255]
                file.take(3)
                layers.append(file.text())
            elif kind == 0x2005:
                assert file.fields("WORD", "SHORT", "SHORT", "BYTE", "WORD", "SHORT") == [0, 0, 0, 255, 2, 0]
                file.take(5)
                assert file.fields("WORD", "WORD") == [width, height]
                raw = zlib.decompress(file.take(begin + chunk - file.place))
                found.append(np.frombuffer(raw, np.uint8).reshape(height, width, depth // 8))
            elif kind == 0x2018:
                count = file.field("WORD")
                file.take(8)
                for _ in range(count):
                    first, last, direction, repeat = file.fields("WORD", "WORD", "BYTE", "WORD")
                    assert (direction, repeat, file.take(10)) == (0, 0, bytes(10))
                    tags.append((first, last, file.text()))
            elif kind == 0x2019:
                count, first, last = file.fields("DWORD", "DWORD", "DWORD")
                assert (count, first, last) == (colors, 0, colors - 1)
                file.take(8)
                entries = [file.fields("WORD", *["BYTE"] * 4) for _ in range(count)]
                assert all(each[0] == 0 for each in entries)
                palette = np.array(entries, np.uint16)[:, 1:].astype(np.uint8)
            else:
                pytest.fail(f"a chunk {kind:#x} that nobody asked for")
            assert file.place == begin + chunk
        assert file.place == start + length
    assert file.place == len(content)
    pixels = np.stack(found)
    if depth == 8:
        opaque = pixels[..., :1] != clear
        pixels = np.where(opaque, palette[pixels[..., 0]], np.array([255, 255, 255, 0], np.uint8))
    return pixels, tags, layers, palette, depth


@pytest.mark.parametrize("transparent", [False, True])
def test_every_frame_is_a_sprite_and_every_tag_its_name(transparent):
    drawn = cut_out(DRAWN) if transparent else DRAWN
    pixels, tags, layers, palette, depth = read(aseprite_bytes(drawn, NAMES))
    assert (pixels[..., :3] == drawn[..., :3]).all()
    assert (pixels[..., 3] == (drawn[..., 3] if transparent else 255)).all()
    assert tags == [(i, i, name) for i, name in enumerate(NAMES)]
    assert layers == ["sprites"]
    assert depth == 8
    assert palette[0].tolist() == [0, 0, 0, 0]
    assert len(palette) == 1 + len(np.unique(drawn.reshape(-1, drawn.shape[-1]), axis=0)) - transparent


def test_more_colours_than_a_palette_holds_are_written_as_they_are():
    many = np.random.default_rng(0).integers(256, size=(2, 12, 12, 4), dtype=np.uint8)
    pixels, *_, depth = read(aseprite_bytes(many, ["a", "b"]))
    assert depth == 32
    assert (pixels == many).all()


def test_several_transparent_colours_are_one():
    drawn = np.array([[[[1, 2, 3, 0], [9, 9, 9, 0], [9, 9, 9, 255], [8, 8, 8, 255]]]], np.uint8)
    pixels, *_, palette, _ = read(aseprite_bytes(drawn, ["a"]))
    assert pixels[0, 0].tolist() == [[255, 255, 255, 0]] * 2 + [[9, 9, 9, 255], [8, 8, 8, 255]]
    assert len(palette) == 3


def test_more_sprites_than_a_file_has_frames_are_refused():
    with pytest.raises(ValueError, match="holds 65535 sprites, not 65536"):
        aseprite_bytes(np.zeros((65_536, 1, 1, 3), np.uint8), [""] * 65_536)
