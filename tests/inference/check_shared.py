#!/usr/bin/env python3
"""check_shared.py LIBRARY MODEL NM: the shared library by ctypes, as a Python program would use it; and what it exports."""
import ctypes
import subprocess
import sys

library_file, model_file, nm = sys.argv[1:]

symbols = subprocess.run([nm, "-D", "--defined-only", "--format=posix", library_file], check=True, capture_output=True, text=True).stdout
names = [line.split()[0].split("@")[0] for line in symbols.splitlines()]
wrong = [name for name in names if not name.startswith("leadline_")]
assert not wrong, f"exported besides leadline_*: {wrong}"
assert "leadline_run" in names and "leadline_thread_pool_create" in names, names

needed = subprocess.run(["readelf", "-d", library_file], check=True, capture_output=True, text=True).stdout
for line in needed.splitlines():
    if "(NEEDED)" in line:
        assert any(name in line for name in ("libc.so", "libm.so", "libpthread.so", "ld-linux")), line

c = ctypes.CDLL(library_file)
c.leadline_version_string.restype = ctypes.c_char_p
c.leadline_status_text.restype = ctypes.c_char_p


class ModelInfo(ctypes.Structure):  # the first fields of leadline_model_info
    _fields_ = [("struct_size", ctypes.c_size_t), ("name", ctypes.c_char_p), ("height", ctypes.c_int32), ("width", ctypes.c_int32),
                ("rest", ctypes.c_char * 1024)]


def check(status, error):
    assert status == 0, f"{c.leadline_status_text(status).decode()}: {error.value.decode()}"


error = ctypes.create_string_buffer(512)
model, session = ctypes.c_void_p(), ctypes.c_void_p()
assert c.leadline_model_open_file(b"none.lead", None, ctypes.byref(model), error, ctypes.c_size_t(512)) != 0
assert b"none.lead" in error.value
check(c.leadline_model_open_file(model_file.encode(), None, ctypes.byref(model), error, ctypes.c_size_t(512)), error)
info = ModelInfo(struct_size=ctypes.sizeof(ModelInfo))
check(c.leadline_model_get_info(model, ctypes.byref(info)), error)

size = ctypes.c_size_t()
check(c.leadline_session_bytes(model, None, ctypes.byref(size), error, ctypes.c_size_t(512)), error)
memory = ctypes.create_string_buffer(size.value + 64)
start = (ctypes.addressof(memory) + 63) // 64 * 64
check(c.leadline_session_create(model, None, ctypes.c_void_p(start), size, ctypes.byref(session), error, ctypes.c_size_t(512)), error)
largest = ctypes.c_float()
check(c.leadline_self_test(session, ctypes.byref(largest)), error)
width, height = 40, 30
rgb = (ctypes.c_uint8 * (3 * width * height))(*[7 * i % 256 for i in range(3 * width * height)])
pixels = info.height * info.width
depth = (ctypes.c_float * pixels)()
check(c.leadline_run_rgb8(session, rgb, width, height, ctypes.c_ssize_t(0), depth, ctypes.c_size_t(pixels)), error)
assert all(0 < value < 1e6 for value in depth), depth[:4]
print(f"leadline {c.leadline_version_string().decode()}: {info.name.decode()}, {info.width} x {info.height}, {len(names)} functions")
c.leadline_model_close(model)
