"""PNG and JPEG pictures of many kinds with their pixels as Pillow reads them. Run: python test/golden/images.py (Pillow 13)

Writes images.json beside itself. `pictures`: for each name the file, and the red, green, blue bytes of its pixels,
upright and on white, both in base64 (where Pillow is not exact, as with 16 bits, from the numbers that were put in).
`squares`: pictures made smaller and larger by Pillow's Lanczos filter and cut as torchvision does.
"""

import base64
import io
import json
import struct
import zlib
from pathlib import Path

import numpy
from PIL import Image, ImageOps

numbers = numpy.random.default_rng(7)
WIDTH, HEIGHT = 21, 13


def text(data):
    return base64.b64encode(bytes(data)).decode()


def smooth(width=WIDTH, height=HEIGHT):
    """A picture whose colours change slowly, as JPEG and its halved colours like them."""
    y, x = numpy.mgrid[0:height, 0:width]
    channels = [40 + 9 * x + 2 * y, 200 - 5 * x + 3 * y, 60 + 10 * y + x]
    return numpy.clip(numpy.stack(channels, -1), 0, 255).astype(numpy.uint8)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(values, depth, colour, interlaced=False, more=b""):
    """A PNG of the numbers [height, width, channels], written here since Pillow lacks some kinds."""
    height, width = values.shape[:2]
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    rows = b""
    for x, y, dx, dy in passes if interlaced else [(0, 0, 1, 1)]:
        part = values[y::dy, x::dx]
        if part.size == 0:
            continue
        for row in part:
            if depth == 16:
                line = row.astype(">u2").tobytes()
            elif depth == 8:
                line = row.astype(numpy.uint8).tobytes()
            else:
                bits = "".join(format(int(v), f"0{depth}b") for v in row.reshape(-1))
                bits += "0" * (-len(bits) % 8)
                line = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
            rows += b"\0" + line
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    data = zlib.compress(rows, 9)
    middle = len(data) // 2
    parts = chunk(b"IDAT", data[:middle]) + chunk(b"IDAT", data[middle:])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + more + parts + chunk(b"IEND", b"")


def pixels(file):
    """As Pillow reads them: upright, on white."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(file)))
    rgba = numpy.asarray(image.convert("RGBA")).astype(numpy.int64)
    colour, alpha = rgba[..., :3], rgba[..., 3:]
    return numpy.floor((colour * alpha + 255 * (255 - alpha)) / 255 + 0.5).astype(numpy.uint8)


def entry(file, expected=None):
    expected = pixels(file) if expected is None else expected
    return {
        "file": text(file),
        "width": expected.shape[1],
        "height": expected.shape[0],
        "pixels": text(expected.astype(numpy.uint8).tobytes()),
    }


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def on_white(values, top):
    """Numbers from 0 to top with one, two, three or four channels as bytes on white."""
    values = values.astype(numpy.float64)
    colours, alpha = values, numpy.full(values.shape[:2] + (1,), float(top))
    if values.shape[2] in (2, 4):
        colours, alpha = values[..., :-1], values[..., -1:]
    colours = numpy.broadcast_to(colours, values.shape[:2] + (3,))
    return numpy.floor(255 * (colours * alpha + top * (top - alpha)) / (top * top) + 0.5)


def noise(channels, top):
    return numbers.integers(0, top + 1, (HEIGHT, WIDTH, channels))


pictures = {}
for name, channels, colour in [("grey", 1, 0), ("grey and alpha", 2, 4), ("rgb", 3, 2), ("rgba", 4, 6)]:
    values = noise(channels, 255)
    pictures[f"png, {name}"] = entry(png(values, 8, colour))
    pictures[f"png, {name}, interlaced"] = entry(png(values, 8, colour, interlaced=True))
    values = noise(channels, 65535)
    pictures[f"png, {name}, 16 bits"] = entry(png(values, 16, colour), on_white(values, 65535))
for depth in (1, 2, 4):
    pictures[f"png, grey, {depth} bits"] = entry(png(noise(1, 2**depth - 1), depth, 0))
for depth in (1, 2, 4, 8):
    palette = numbers.integers(0, 256, (2**depth, 3)).astype(numpy.uint8)
    more = chunk(b"PLTE", palette.tobytes())
    values = noise(1, 2**depth - 1)
    pictures[f"png, palette, {depth} bits"] = entry(png(values, depth, 3, more=more))
    more += chunk(b"tRNS", bytes(numbers.integers(0, 256, 2**depth // 2).astype(numpy.uint8)))
    pictures[f"png, palette with alpha, {depth} bits"] = entry(png(values, depth, 3, more=more))
values = noise(3, 1) * 255
pictures["png, rgb, red is transparent"] = entry(png(values, 8, 2, more=chunk(b"tRNS", struct.pack(">HHH", 255, 0, 0))))
# Pillow looks for 9 among the bytes, where PNG means the numbers of 4 bits.
values = noise(1, 15)
expected = numpy.broadcast_to(numpy.where(values == 9, 255, values * 17), (HEIGHT, WIDTH, 3))
file = png(values, 4, 0, more=chunk(b"tRNS", struct.pack(">H", 9)))
pictures["png, grey, 9 is transparent"] = entry(file, expected)
pictures["png, rgb with a suggested palette"] = entry(png(noise(3, 255), 8, 2, more=chunk(b"PLTE", bytes(range(30)))))
exif = Image.Exif()
exif[0x0112] = 6
pictures["png, turned"] = entry(saved(Image.fromarray(smooth()), "PNG", exif=exif))

colour = Image.fromarray(smooth())
pictures["jpeg, every pixel's colour"] = entry(saved(colour, "JPEG", quality=95, subsampling=0))
pictures["jpeg, halved colours"] = entry(saved(colour, "JPEG", quality=95, subsampling=2))
pictures["jpeg, halved across"] = entry(saved(colour, "JPEG", quality=95, subsampling=1))
# Two blocks side by side are two above one another where the header says so.
file = bytearray(saved(Image.fromarray(smooth(16, 8)), "JPEG", quality=95, subsampling=1))
size = file.index(b"\xff\xc0") + 5
assert file[size : size + 7] == bytes([0, 8, 0, 16, 3, 1, 0x21])
file[size : size + 7] = bytes([0, 16, 0, 8, 3, 1, 0x12])
pictures["jpeg, halved down"] = entry(bytes(file))
pictures["jpeg, progressive"] = entry(saved(colour, "JPEG", quality=95, subsampling=0, progressive=True))
pictures["jpeg, restarts"] = entry(saved(colour, "JPEG", quality=95, subsampling=0, restart_marker_blocks=2))
pictures["jpeg, rgb kept"] = entry(saved(colour, "JPEG", quality=95, subsampling=0, keep_rgb=True))
pictures["jpeg, grey"] = entry(saved(colour.convert("L"), "JPEG", quality=95))
pictures["jpeg, grey, restarts"] = entry(saved(colour.convert("L"), "JPEG", quality=95, restart_marker_blocks=4))
for orientation in range(1, 9):
    exif = Image.Exif()
    exif[0x010E], exif[0x0112] = "a description before it", orientation
    file = saved(colour, "JPEG", quality=95, subsampling=0, exif=exif)
    pictures[f"jpeg, orientation {orientation}"] = entry(file)

refused = {
    "CMYK": text(saved(colour.convert("CMYK"), "JPEG")),
    "animation": text(saved(colour, "PNG", save_all=True, append_images=[colour.rotate(180)])),
    "GIF": text(saved(colour.convert("P"), "GIF")),
    "WebP": text(saved(colour, "WEBP", lossless=True)),
    "BMP": text(saved(Image.new("RGB", (1, 1)), "BMP")),
    "TIFF": text(saved(Image.new("RGB", (1, 1)), "TIFF")),
}


def square(width, height, size):
    picture = numbers.integers(0, 256, (height, width, 3)).astype(numpy.uint8)
    shorter = min(width, height)
    across, down = (int(size * side / shorter) for side in (width, height))
    left, top = int(round((across - size) / 2.0)), int(round((down - size) / 2.0))
    resized = Image.fromarray(picture).resize((across, down), Image.Resampling.LANCZOS)
    cut = resized.crop((left, top, left + size, top + size))
    return {
        **{"width": width, "height": height, "size": size},
        **{"picture": text(picture.tobytes()), "pixels": text(cut.tobytes())},
    }


sizes = [(37, 53, 16), (53, 37, 16), (40, 40, 40), (41, 40, 40), (43, 40, 40), (9, 7, 24), (200, 8, 8), (33, 64, 31)]
squares = [square(*size) for size in sizes]

path = Path(__file__).parent / "images.json"
path.write_text(json.dumps({"pictures": pictures, "refused": refused, "squares": squares}, indent=1) + "\n")
print(path, path.stat().st_size)
